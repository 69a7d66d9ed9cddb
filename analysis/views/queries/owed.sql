-- Trials that cells still owe.
select study, cell, state, search_total - search_recorded as search_owed, confirm_total - confirm_recorded as confirm_owed
from cells
where search_owed > 0 or confirm_owed > 0
order by all
