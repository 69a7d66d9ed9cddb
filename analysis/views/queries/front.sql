-- Search trials on the Pareto front of their cell (search.cost without a weight).
select * exclude (config, error, versions)
from trials
where on_front
order by study, cell, proposal, seed
