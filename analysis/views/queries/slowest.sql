-- The twenty trials that took longest.
select study, cell, phase, proposal, seed, status, seconds, device_seconds, attempts, host
from trials
where counts
order by seconds desc
limit 20
