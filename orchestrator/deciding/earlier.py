"""Records of a study that its plan no longer holds, and what makes them others: mostly a field that was edited."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ablative.orchestrator.deciding.cell_trials import CellTrials
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.trials import Trial
from ablative.search_spaces.study import Study
from ablative.trainables.config import IDENTITY_VERSION
from ablative.trainables.config import TrialConfig

_FORMS = 8
"""Planned trials of a cell that a record is compared with: which fields matter may depend on a searched one."""
_DIGESTS = ("data_digest", "teacher_digest", "student_digest")
OTHER_CODE = "were recorded by other code, whose results may differ"
OTHER_CELL = "are of arms or conditions that the study does not have now"
OTHER_SETTING = "are of settings that the search does not propose now"
LINES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """What a planned trial is, its seed aside."""

    values: Mapping[str, Any]
    """Dotted path -> value, and the name of each digest -> digest."""
    searched: Collection[str]
    evaluate: tuple[str, ...]
    phase: str


def earlier_lines(
    study: Study, cells: Sequence[CellTrials], records: Iterable[Record], planned: Collection[str]
) -> list[str]:
    """Say of the study's records that are not among the `planned` trial ids what makes them others.

    A record is compared with the trials that its arm has now under its condition. Most frequent reasons first.
    """
    others = [record for record in records if record.study == study.study and record.trial_id not in planned]
    forms = {cell.cell.name: _forms(cell) for cell in cells}
    read: dict[str, dict[str, Any]] = {}
    seeds = {"search": study.seeds.search, "confirm": study.seeds.confirm}
    reasons = Counter(_reason(record, forms.get(record.cell, ()), seeds, read) for record in others)
    ranked = reasons.most_common()
    lines = [f"of {len(others)} earlier records of this study {count} {reason}" for reason, count in ranked[:LINES]]
    rest = sum(count for _, count in ranked[LINES:])
    return [*lines, *([f"and {rest} are others for other reasons"] if rest else [])]


def _forms(cell: CellTrials) -> tuple[_Form, ...]:
    seen: dict[tuple[str, str], Trial] = {}
    for trial in cell.trials:
        seen.setdefault((trial.phase, json.dumps(dict(trial.parameters), sort_keys=True)), trial)
    return tuple(_form(trial) for trial in list(seen.values())[:_FORMS])


def _form(trial: Trial) -> _Form:
    return _Form(
        values={
            **dict(_flat(trial.config.model_dump(mode="json"))),
            **{name: getattr(trial, name) for name in _DIGESTS},
        },
        searched=frozenset(trial.parameters),
        evaluate=trial.evaluate,
        phase=trial.phase,
    )


def _reason(
    record: Record,
    forms: Sequence[_Form],
    seeds: Mapping[str, Sequence[int]],
    read: dict[str, dict[str, Any]],
) -> str:
    """Return why `record` is none of the planned trials; `read` keeps configurations that were read."""
    if record.identity_version != IDENTITY_VERSION:
        return OTHER_CODE
    if not forms:
        return OTHER_CELL
    if record.config not in read:
        read[record.config] = {**_DEFAULTS, **dict(_flat(json.loads(record.config)))}
    values = {**read[record.config], **{name: getattr(record, name) for name in _DIGESTS}}
    nearest = min((_differences(record, values, form) for form in forms), key=len)
    if nearest:
        return f"differ in {', '.join(nearest)}"
    if record.seed not in seeds[record.phase]:
        return f"have seeds that are not in seeds.{record.phase} now"
    return OTHER_SETTING


def _differences(record: Record, values: Mapping[str, Any], form: _Form) -> list[str]:
    """Return each field that differs, with both values; searched ones differ from trial to trial anyway."""
    free = {*form.searched, *record.parameters}
    found = [
        f"{path} ({_shown(values.get(path))} -> {_shown(new)})"
        for path, new in form.values.items()
        if path not in free and values.get(path) != new
    ]
    if record.phase == form.phase and sorted(record.evaluate) != sorted(form.evaluate):
        found.append(f"evaluate ({' '.join(record.evaluate)} -> {' '.join(form.evaluate)})")
    return found


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return f"{text[:37]}..." if len(text) > 40 else text or "none"


_DEFAULTS = dict(_flat(TrialConfig().model_dump(mode="json")))
"""Of fields that a record does not have: it was written before they were there, when they had this meaning."""
