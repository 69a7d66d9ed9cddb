"""A store's records of a study when its queue is made, arranged for the cells."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from typing import Any

from ablative.orchestrator.reached import reached
from ablative.orchestrator.storing.records import Record
from ablative.search_spaces.proposals import Setting

Settled = Mapping[tuple[int, int], tuple[str, dict[str, Any]]]
"""(Proposal, seed) -> trial id and parameters, as recorded for one cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Records of the study itself, and of a study that it learns from."""

    records: Sequence[Record] = ()
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Trial id -> target on val at each evaluation; needed if the study has a stopping rule."""
    warm: Sequence[Record] = ()
    """Records of the study that `search.warm_start` names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchHistory:
    """The records of searches that cells find."""

    settled: Mapping[str, Settled] = field(default_factory=dict)
    """By cell id."""
    warm: Mapping[tuple[str, str], tuple[Setting, ...]] = field(default_factory=dict)
    """Completed settings of the study to learn from, by arm and condition."""

    def warm_settings(self, arm: str, condition: Mapping[str, Any]) -> tuple[Setting, ...]:
        """Return the settings that a cell of the other study, with this arm and condition, has completed."""
        return self.warm.get((arm, _spelled(condition)), ())


def search_history(recorded: Recorded, metric: str) -> SearchHistory:
    """Arrange records for the cells of a study with the target `metric`."""
    settled: dict[str, dict[tuple[int, int], tuple[str, dict[str, Any]]]] = defaultdict(dict)
    for record in recorded.records:
        if record.phase == "search" and record.proposal is not None:
            settled[record.cell_id][record.proposal, record.seed] = (record.trial_id, record.parameter_values())
    return SearchHistory(settled=settled, warm=_warm(recorded.warm, metric))


def _warm(records: Sequence[Record], metric: str) -> dict[tuple[str, str], tuple[Setting, ...]]:
    trials: dict[tuple[str, str], dict[tuple[int, str], list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        if record.phase == "search" and record.proposal is not None:
            condition = _spelled({path: json.loads(value) for path, value in record.condition.items()})
            setting = record.proposal, json.dumps(record.parameters)  # each search of a cell has its own first setting
            trials[record.arm, condition][setting].append(record)
    found = {
        place: [_setting(settings[number], metric) for number in sorted(settings)]
        for place, settings in trials.items()
    }
    return {place: tuple(setting for setting in settings if setting is not None) for place, settings in found.items()}


def _setting(records: Sequence[Record], metric: str) -> Setting | None:
    """Return the setting of these records, one per seed; None unless it is completed."""
    found = reached((record.status, record.metrics.get(metric)) for record in records)
    if found.state != "completed":
        return None
    return Setting(parameters=records[0].parameter_values(), value=found.value)


def _spelled(condition: Mapping[str, Any]) -> str:
    """The condition as text; 1 and 1.0 are one number."""
    alike = {path: float(value) if type(value) is int else value for path, value in condition.items()}
    return json.dumps(alike, sort_keys=True)
