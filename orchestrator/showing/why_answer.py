"""Why a trial is owed, taken from another study, outdated, or counted or not; as text and for programs."""

from __future__ import annotations

import math
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from datetime import UTC
from typing import Any
from typing import Literal

from pydantic import AwareDatetime
from pydantic import Field

from ablative.frozen import Answer
from ablative.orchestrator.deciding.earlier import Present
from ablative.orchestrator.deciding.sides import one_id
from ablative.orchestrator.storing.plan import PlannedCell
from ablative.orchestrator.storing.plan import PlannedTrial
from ablative.orchestrator.storing.records import Record
from ablative.search_spaces.study import Study

State = Literal["owed", "taken", "counts", "searched", "failed", "stopped", "does not count", "outdated"]


class PlaceInPlan(Answer):
    """Where the plan has a trial."""

    arm: str
    condition: dict[str, Any] = Field(description="Dotted path -> value.")
    phase: Literal["search", "confirm"]
    proposal: int | None = Field(description="Index in the cell's search; null in the confirm phase.")
    seed: int


class Recorded(Answer):
    """What is recorded of a trial."""

    study: str = Field(description="Whose record it is.")
    source_study: str = Field(description="Another study that ran it; else empty.")
    status: Literal["completed", "failed", "stopped"]
    cause: str
    error: str
    finished_at: AwareDatetime


class WhyAnswer(Answer):
    """The answer of `ablate why --json`."""

    why_version: Literal[1] = 1
    study: str
    trial_id: str
    state: State = Field(
        description="`owed`: to be run. `taken`: another study ran it. `counts`: in comparisons. `searched`: seen by "
        "its search alone. `failed`, `stopped`: ended so. `does not count`: completed, without a value of the "
        "headline. `outdated`: recorded, and no trial of the study as it is now."
    )
    reason: str
    remedy: str = Field(description="What to do about it; empty if there is nothing to do.")
    places: tuple[PlaceInPlan, ...] = Field(description="Its place in the plan; empty for an outdated trial.")
    record: Recorded | None

    def text(self) -> str:
        """Return a few lines for a terminal."""
        lines = [f"{self.state}: {self.reason}", *map(_place, self.places)]
        if self.record is not None:
            when = self.record.finished_at.astimezone(UTC)
            lines.append(f"recorded: {self.record.status}, {when:%Y-%m-%d %H:%M} UTC, in {self.record.study}")
        return "\n".join([*lines, *([f"to do: {self.remedy}"] if self.remedy else [])]) + "\n"


def why_answer(
    study: Study,
    word: str,
    cells: Sequence[PlannedCell],
    records: Mapping[str, Record],
    find: Callable[[str], Record | None],
    present: Present | None,
) -> WhyAnswer:
    """Return why the trial whose id begins with `word` has its state; raises StoreError unless exactly one matches.

    `records`: trial id -> record of this study. `find`: returns the record of a trial that any study has run.
    `present`: None if data is missing, so that the reason for an outdated record is unknown.
    """
    at: dict[str, list[tuple[PlannedCell, PlannedTrial]]] = {}
    for cell in cells:
        for trial in cell.places:
            at.setdefault(trial.trial_id, []).append((cell, trial))
    trial_id = one_id(word, [*at, *records], f"study {study.study!r}")
    places, record = at.get(trial_id, []), records.get(trial_id)
    elsewhere = find(trial_id) if record is None else None
    state, reason, remedy = _why(study, [trial.phase for _, trial in places], record, elsewhere, present)
    return WhyAnswer(
        study=study.study,
        trial_id=trial_id,
        state=state,
        reason=reason,
        remedy=remedy,
        places=tuple(_placed(*place) for place in places),
        record=_recorded(record or elsewhere),
    )


def _why(
    study: Study, phases: Sequence[str], record: Record | None, elsewhere: Record | None, present: Present | None
) -> tuple[State, str, str]:
    """Return the state, its reason, and the remedy."""
    if not phases:
        assert record is not None, "an id that is not planned must come from a record"
        if present is None:
            return (
                "outdated",
                "the plan of the last run does not have it; the reason is unknown, because the data is missing",
                "",
            )
        return "outdated", f"it is one of the earlier records that {present.reason(record)}", ""
    if record is None:
        if elsewhere is not None and elsewhere.completed:
            return "taken", f"study {elsewhere.study} has run it, and the next run takes its record", "ablate run"
        return "owed", f"the plan has it, and no study of the store has completed it{_failed(elsewhere)}", "ablate run"
    if record.status == "failed":
        return "failed", f"{record.cause}: {record.error or 'no message'}", "ablate run --retry-failed"
    if record.status == "stopped":
        return "stopped", f"by {record.cause}, a rule of the search (search.stop); the search has seen its curve", ""
    if "confirm" not in phases:
        target = study.target.metric
        return "searched", f"a search trial: {target} judges its setting, and comparisons do not count it", ""
    value = record.metrics.get(study.headline)
    if value is None or not math.isfinite(value):
        found = "no value" if value is None else f"the value {value}"
        return "does not count", f"it completed with {found} of {study.headline}, the study's headline", ""
    if record.source_study:
        return (
            "taken",
            f"study {record.source_study} ran it; it counts as if this study had, {_says(study, value)}",
            "",
        )
    return "counts", f"a confirm trial, {_says(study, value)}", ""


def _says(study: Study, value: float) -> str:
    return f"with {study.headline} {value:.4f}"


def _failed(elsewhere: Record | None) -> str:
    return "" if elsewhere is None else f" (in {elsewhere.study} it {elsewhere.status}: {elsewhere.cause})"


def _placed(cell: PlannedCell, trial: PlannedTrial) -> PlaceInPlan:
    return PlaceInPlan(
        arm=cell.arm, condition=cell.condition, phase=trial.phase, proposal=trial.proposal, seed=trial.seed
    )


def _recorded(record: Record | None) -> Recorded | None:
    if record is None:
        return None
    return Recorded(**{name: getattr(record, name) for name in Recorded.model_fields})


def _place(place: PlaceInPlan) -> str:
    condition = ", ".join(f"{path}={value}" for path, value in place.condition.items()) or "no conditions"
    proposal = "" if place.proposal is None else f" {place.proposal}"
    return f"place: {place.arm}, {condition}, {place.phase}{proposal}, seed {place.seed}"
