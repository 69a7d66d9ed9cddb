-- Which searched parameters mattered in each cell, by fANOVA and PED-ANOVA.
select arm, condition, parameter, evaluator, importance, settings, note
from importance
order by study, condition, arm, evaluator, importance desc nulls last
