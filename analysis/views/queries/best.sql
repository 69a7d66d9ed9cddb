-- The setting that each cell confirmed, with its mean, interval, number of seeds and trials.
select study, arm, condition, parameters, metric, mean, ci_low, ci_high, n, trial_ids
from cells
order by study, condition, mean desc nulls last
