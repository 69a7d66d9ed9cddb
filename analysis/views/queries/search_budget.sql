-- What each search would have found with fewer settings: tells better from better tuned.
select condition, budget, arm, expected, settings, note
from budgets
order by study, condition, budget, expected desc nulls last
