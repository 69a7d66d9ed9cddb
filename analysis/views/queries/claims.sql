-- The comparisons that the study declared beforehand, each with its interval, p-value corrected over all of them, and verdict.
select claim, arm, against, conditions, metrics, n_pairs, mean, against_mean, difference, diff_ci_low, diff_ci_high,
    p_value, p_corrected, verdict, verdict_if_worst
from claims
