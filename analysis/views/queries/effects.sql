-- Effects on the headline metric with intervals and verdicts, the primary comparisons first.
select arm, condition, metric, n, mean, ci_low, ci_high, difference, diff_ci_low, diff_ci_high, p_corrected, verdict, verdict_if_worst
from effects
where is_headline
