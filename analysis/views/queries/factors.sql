-- Main effects and interactions of a factorial study over all conditions, with what each is confounded with.
select kind, contrast, aliases, n_pairs, difference, diff_ci_low, diff_ci_high, p_corrected, verdict, verdict_if_worst, note
from primary_contrasts
where kind <> 'arms'
order by study, kind desc, abs(difference) desc nulls last
