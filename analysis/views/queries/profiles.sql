-- The share of each arm's runs above each bar of the headline metric, over all conditions.
select arm, bar, above, ci_low, ci_high, n, note
from profiles
where family = 'pooled'
order by study, arm, bar
