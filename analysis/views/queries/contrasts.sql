-- Every pair of arms over all conditions on the headline metric: which of two is better, and how surely.
select contrast, n_pairs, difference, diff_ci_low, diff_ci_high, improvement, p_value, p_wilcoxon, p_corrected, verdict, verdict_if_worst, note
from primary_contrasts
where kind = 'arms'
order by study, p_corrected, contrast
