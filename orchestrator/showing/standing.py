"""How far a study is, as the store alone knows it: neither the study file nor its data is needed."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

from ablative.orchestrator.deciding.progress import CellProgress
from ablative.orchestrator.errors import StoreError
from ablative.orchestrator.learned import lack
from ablative.orchestrator.learned import majority_mean
from ablative.orchestrator.reached import Reached
from ablative.orchestrator.reached import mean_of
from ablative.orchestrator.reached import reached
from ablative.orchestrator.storing.plan import PlannedCell
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.records import records_of
from ablative.orchestrator.storing.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A study's cells and current records."""

    study: str
    metric: str
    mode: str
    cells: Sequence[CellProgress]
    failed: Sequence[Record]
    """Failed trials of the present plan."""
    fronts: Mapping[str, Sequence[str]]
    """Cell -> its Pareto front, one text a setting, the cheapest first."""
    num_superseded: int
    """Records that the present plan no longer holds."""
    problems: Sequence[str]


def standing(store: Store, study: str) -> Standing:
    """Return how far `study` is; raises StoreError if the store has no plan of it that can be read."""
    target = store.study(study).get("target", {})
    plan = store.plan(study)
    if plan is None:
        raise StoreError(f"store {store.uri!r}: study.json of {study!r} holds no plan; `ablate run` writes it anew")
    records = records_of(store.table(study))
    metric, mode = target.get("metric", ""), target.get("mode", "max")
    by_cell = _by_cell(records)
    held = {record.trial_id for record in records}
    return Standing(
        study=study,
        metric=metric,
        mode=mode,
        cells=[_progress(cell, by_cell.get(cell.name, {}), metric, mode) for cell in plan],
        failed=[record for record in records if record.status == "failed"],
        fronts={cell.name: _front(cell, by_cell.get(cell.name, {}), metric) for cell in plan if cell.front},
        num_superseded=sum(record.trial_id not in held for record in store.records(study)),
        problems=tuple(store.problems),
    )


def _by_cell(records: Sequence[Record]) -> dict[str, dict[str, Record]]:
    found: dict[str, dict[str, Record]] = {}
    for record in records:
        found.setdefault(record.cell, {})[record.trial_id] = record
    return found


def _progress(cell: PlannedCell, records: Mapping[str, Record], metric: str, mode: str) -> CellProgress:
    recorded = [place.phase for place in cell.places if place.trial_id in records]
    best, trials = _best(cell, records, metric, mode)
    values = _values(trials)
    return CellProgress(
        cell=cell.name,
        cell_id=cell.cell_id,
        arm=cell.arm,
        state=cell.state,
        search_done=recorded.count("search"),
        search_total=cell.search_total,
        confirm_done=recorded.count("confirm"),
        confirm_total=cell.confirm_total,
        failed=sum(record.status == "failed" for record in records.values()),
        stopped=sum(record.status == "stopped" for record in records.values()),
        running=0,
        best=best,
        majority=majority_mean(values, metric),
        lack=lack(values, [metric], mode),
    )


def _best(
    cell: PlannedCell, records: Mapping[str, Record], metric: str, mode: str
) -> tuple[float | None, Sequence[Record]]:
    """Return the best mean target of the completed settings, and the trials of that setting.

    Where nothing is searched: of the confirm trials.
    """
    if not cell.search_total:
        confirmed = _trials(cell, None, records)
        return mean_of(record.metrics.get(metric) for record in confirmed), confirmed
    best: tuple[float | None, Sequence[Record]] = (None, ())
    sign = 1.0 if mode == "max" else -1.0
    for proposal in {place.proposal for place in cell.places if place.phase == "search"}:
        found = _reached(cell, proposal, records, metric)
        if found.state != "completed" or found.value is None:
            continue
        if best[0] is None or sign * found.value > sign * best[0]:
            best = found.value, _trials(cell, proposal, records)
    return best


def _trials(cell: PlannedCell, proposal: int | None, records: Mapping[str, Record]) -> list[Record]:
    wanted = (place.trial_id for place in cell.places if place.proposal == proposal)
    return [records[trial_id] for trial_id in wanted if trial_id in records]


def _values(records: Sequence[Record]) -> dict[str, dict[str, float]]:
    """Return metric -> trial -> value of the completed trials."""
    found: dict[str, dict[str, float]] = {}
    for record in records:
        if record.completed:
            for name, value in record.metrics.items():
                found.setdefault(name, {})[record.trial_id] = value
    return found


def _reached(cell: PlannedCell, proposal: int | None, records: Mapping[str, Record], metric: str) -> Reached:
    trials = [records.get(place.trial_id) for place in cell.places if place.proposal == proposal]
    return reached(None if record is None else (record.status, record.metrics.get(metric)) for record in trials)


def _front(cell: PlannedCell, records: Mapping[str, Record], metric: str) -> list[str]:
    return [
        f"{_reached(cell, proposal, records, metric).value:.4f} at "
        + ", ".join(f"{path}={value}" for path, value in _parameters(cell, proposal).items())
        for proposal in cell.front
    ]


def _parameters(cell: PlannedCell, proposal: int) -> Mapping[str, str]:
    return next(place.parameters for place in cell.places if place.proposal == proposal)
