-- Failed trials by cause and arm, with the last line of one of their errors.
select study, cause, arm, count(*) as trials, any_value(error) as example
from failures
group by study, cause, arm
order by trials desc, study, cause, arm
