"""The progress of a study from its store alone; needs neither the study file nor its data."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ablative.orchestrator.deciding.progress import CellProgress
from ablative.orchestrator.errors import StoreError
from ablative.orchestrator.learned import lack
from ablative.orchestrator.learned import majority_mean
from ablative.orchestrator.reached import Reached
from ablative.orchestrator.reached import mean_of
from ablative.orchestrator.reached import reached
from ablative.orchestrator.storing.declared import Stamp
from ablative.orchestrator.storing.declared import late_line
from ablative.orchestrator.storing.plan import PlannedCell
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.records import records_of
from ablative.orchestrator.storing.store import Store
from ablative.search_spaces.searches import search_of


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
    """Number of records that the present plan no longer has."""
    problems: Sequence[str]
    stamp: Stamp | None = None
    """What the study declared before its first confirm trial."""
    late: tuple[str, ...] = ()
    """What has changed since."""

    @property
    def declared(self) -> str:
        """One line on that; empty before the first confirm trial."""
        if self.stamp is None:
            return ""
        since = f"claims and comparisons declared {self.stamp.at:%Y-%m-%d %H:%M} UTC ({self.stamp.hash})"
        return f"{since}; {late}" if (late := late_line(self.stamp, self.late)) else since


def standing(store: Store, study: str) -> Standing:
    """Return the progress of `study`; raises StoreError if the store has no readable plan of it."""
    stored = store.study(study)
    target = stored.get("target", {})
    plan = store.plan(study)
    if plan is None:
        raise StoreError(f"store {store.uri!r}: study.json of {study!r} has no plan; `ablate run` writes it again")
    records = records_of(store.table(study))
    metric, mode = target.get("metric", ""), target.get("mode", "max")
    by_cell = _by_cell(records)
    held = {record.trial_id for record in records}
    stamp = store.declared(study)
    return Standing(
        study=study,
        metric=metric,
        mode=mode,
        cells=[_progress(cell, by_cell.get(cell.name, {}), metric, mode, stored) for cell in plan],
        failed=[record for record in records if record.status == "failed"],
        fronts={cell.name: _front(cell, by_cell.get(cell.name, {}), metric) for cell in plan if cell.front},
        num_superseded=sum(record.trial_id not in held for record in store.records(study)),
        stamp=stamp,
        late=() if stamp is None else stamp.late(stored),
        problems=tuple(store.problems),
    )


def _by_cell(records: Sequence[Record]) -> dict[str, dict[str, Record]]:
    found: dict[str, dict[str, Record]] = {}
    for record in records:
        found.setdefault(record.cell, {})[record.trial_id] = record
    return found


def _progress(
    cell: PlannedCell, records: Mapping[str, Record], metric: str, mode: str, stored: Mapping[str, Any]
) -> CellProgress:
    seeds = stored.get("seeds", {})
    recorded = [place.phase for place in cell.places if place.trial_id in records]
    best, trials = _best(cell, records, metric, mode, stored)
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
        nested=bool(seeds.get("nested") and cell.search_total),
        majority=majority_mean(values, metric),
        lack=lack(values, [metric], mode),
    )


def _best(
    cell: PlannedCell, records: Mapping[str, Record], metric: str, mode: str, stored: Mapping[str, Any]
) -> tuple[float | None, Sequence[Record]]:
    """Return the best mean target of the completed settings, the mean over the cell's searches; and those trials.

    Without a search: the mean of the confirm trials.
    """
    if not cell.search_total:
        confirmed = [record for record in _trials(cell, None, records) if record is not None]
        return mean_of(record.metrics.get(metric) for record in confirmed), confirmed
    sign = 1.0 if mode == "max" else -1.0
    best: dict[int, tuple[float, Sequence[Record]]] = {}
    for number, trials in _settings(cell, records, stored):
        found = _reached(trials, metric)
        if found.state != "completed" or found.value is None:
            continue
        if number not in best or sign * found.value > sign * best[number][0]:
            best[number] = found.value, [record for record in trials if record is not None]
    return mean_of(value for value, _ in best.values()), [record for _, of in best.values() for record in of]


def _settings(
    cell: PlannedCell, records: Mapping[str, Record], stored: Mapping[str, Any]
) -> Iterator[tuple[int, list[Record | None]]]:
    """Yield each tried setting: its search and its trials, None for an owed trial."""
    seeds, repeats = stored.get("seeds", {}), stored.get("search", {}).get("repeats", 1)
    tried: dict[tuple[int, int | None], list[Record | None]] = {}
    for place in (place for place in cell.places if place.phase == "search"):
        number = search_of(place.seed, seeds.get("search", ()), repeats=repeats, nested=seeds.get("nested", False))
        tried.setdefault((number, place.proposal), []).append(records.get(place.trial_id))
    for (number, _), trials in tried.items():
        yield number, trials


def _trials(cell: PlannedCell, proposal: int | None, records: Mapping[str, Record]) -> list[Record | None]:
    return [records.get(place.trial_id) for place in cell.places if place.proposal == proposal]


def _values(records: Sequence[Record]) -> dict[str, dict[str, float]]:
    """Return metric -> trial -> value of the completed trials."""
    found: dict[str, dict[str, float]] = {}
    for record in records:
        if record.completed:
            for name, value in record.metrics.items():
                found.setdefault(name, {})[record.trial_id] = value
    return found


def _reached(trials: Sequence[Record | None], metric: str) -> Reached:
    return reached(None if record is None else (record.status, record.metrics.get(metric)) for record in trials)


def _front(cell: PlannedCell, records: Mapping[str, Record], metric: str) -> list[str]:
    return [
        f"{_reached(_trials(cell, proposal, records), metric).value:.4f} at "
        + ", ".join(f"{path}={value}" for path, value in _parameters(cell, proposal).items())
        for proposal in cell.front
    ]


def _parameters(cell: PlannedCell, proposal: int) -> Mapping[str, str]:
    return next(place.parameters for place in cell.places if place.proposal == proposal)
