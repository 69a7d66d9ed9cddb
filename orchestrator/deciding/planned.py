"""The plan that is stored, made of what is decided so far."""

from __future__ import annotations

from ablative.orchestrator.deciding.cell_trials import CellTrials
from ablative.orchestrator.storing.plan import PlannedCell
from ablative.orchestrator.storing.plan import PlannedTrial
from ablative.orchestrator.storing.records import as_json
from ablative.orchestrator.trials import Trial


def planned(cell: CellTrials) -> PlannedCell:
    """Return the plan of one cell."""
    searched = [trial for proposed in cell.proposed for trial in proposed.trials]
    numbers = [number for number, proposed in enumerate(cell.proposed) for _ in proposed.trials]
    places = (
        *(_planned(trial, number) for trial, number in zip(searched, numbers, strict=True)),
        *(_planned(trial, None) for trial in cell.confirm),
    )
    return PlannedCell(
        name=cell.cell.name,
        cell_id=cell.id,
        arm=cell.cell.arm,
        is_reference=cell.cell.is_reference,
        is_control=cell.cell.is_control,
        condition=dict(cell.cell.condition),
        state=cell.state,
        search_total=cell.search_total,
        confirm_total=cell.confirm_total,
        front=cell.front,
        trials=tuple(place.trial_id for place in places),
        places=places,
    )


def _planned(trial: Trial, proposal: int | None) -> PlannedTrial:
    return PlannedTrial(
        trial_id=trial.id,
        phase=trial.phase,
        proposal=proposal,
        seed=trial.seed,
        parameters=as_json(trial.parameters),
    )
