-- What each arm has cost, and what went into search, into confirmation, and was lost.
select
    study, arm,
    sum(trials) as trials,
    sum(device_seconds) filter (phase = 'search') as search_device_seconds,
    sum(device_seconds) filter (phase = 'confirm') as confirm_device_seconds,
    sum(lost_seconds) as lost_seconds,
    sum(queued_seconds) as queued_seconds,
    sum(teacher_passes) as teacher_passes
from costs
group by study, arm
order by study, arm
