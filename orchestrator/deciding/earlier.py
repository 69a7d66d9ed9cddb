"""Records that a study's plan no longer holds, and how they differ: mostly in a field that was edited."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import field
from typing import Any

from ablative.orchestrator.deciding.cell_trials import CellTrials
from ablative.orchestrator.inputs import Inputs
from ablative.orchestrator.storing.differing import differing
from ablative.orchestrator.storing.differing import flat
from ablative.orchestrator.storing.differing import shown
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.trials import Trial
from ablative.search_spaces.study import Study
from ablative.trainables.parts.trainable import Trainable

_FORMS = 8
"""Planned trials of a cell that a record is compared with: a searched field may decide which fields matter."""
_DIGEST_LENGTH = 64
_DIGESTS = ("data_digest", "teacher_digest", "student_digest")
OTHER_CODE = "were recorded by different code, whose results may differ"
OTHER_TRAINABLE = "were recorded by the trainable"
OTHER_CELL = "belong to arms or conditions that the study no longer has"
OTHER_SETTING = "belong to settings that the search does not propose now"
LINES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """The content of a planned trial, without its seed."""

    values: Mapping[str, Any]
    """Dotted path -> value, and the name of each digest -> digest."""
    searched: Collection[str]
    parts: Mapping[str, str]
    """`kind/name` -> identity of the trial's parts that do not ship with the package."""
    evaluate: tuple[str, ...]
    phase: str


def earlier_lines(
    inputs: Inputs, study: Study, cells: Sequence[CellTrials], records: Iterable[Record], planned: Collection[str]
) -> list[str]:
    """List how the study's records outside the `planned` trial ids differ from the plan.

    A record is compared with the present trials of its arm under its condition. The most frequent reasons come first.
    """
    others = [record for record in records if record.study == study.study and record.trial_id not in planned]
    present = Present(inputs, study, cells)
    reasons = Counter(map(present.reason, others))
    ranked = reasons.most_common()
    lines = [f"of {len(others)} earlier records of this study {count} {reason}" for reason, count in ranked[:LINES]]
    rest = sum(count for _, count in ranked[LINES:])
    return [*lines, *([f"and {rest} are outdated for other reasons"] if rest else [])]


class Present:
    """The present trials of a study, to explain why a record is none of them."""

    def __init__(self, inputs: Inputs, study: Study, cells: Sequence[CellTrials]) -> None:
        """Index the planned trials of `cells` that differ in more than their seed."""
        self._forms = {cell.cell.name: _forms(cell) for cell in cells}
        self._reading = _Reading(
            trainable=inputs.trainable,
            defaults=dict(flat(inputs.trainable.config_type(inputs.catalogue)().model_dump(mode="json"))),
            seeds={
                "search": study.seeds.confirm if study.seeds.nested else study.seeds.search,
                "confirm": study.seeds.confirm,
            },
        )

    def reason(self, record: Record) -> str:
        """Return why a record is none of the planned trials, as a predicate: `differ in optim.lr (0.1 -> 0.2)`."""
        return _reason(record, self._forms.get(record.cell, ()), self._reading)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """Reads records."""

    trainable: Trainable
    defaults: Mapping[str, Any]
    """Values of fields that a record lacks: it was written before they existed, when this was their meaning."""
    seeds: Mapping[str, Sequence[int]]
    configs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Configurations read so far, by their text."""

    def config(self, text: str) -> dict[str, Any]:
        """Return a record's configuration, dotted path -> value."""
        if text not in self.configs:
            self.configs[text] = {**self.defaults, **dict(flat(json.loads(text)))}
        return self.configs[text]


def _forms(cell: CellTrials) -> tuple[_Form, ...]:
    seen: dict[tuple[str, str], Trial] = {}
    for trial in cell.trials:
        seen.setdefault((trial.phase, json.dumps(dict(trial.parameters), sort_keys=True)), trial)
    return tuple(_form(trial) for trial in list(seen.values())[:_FORMS])


def _form(trial: Trial) -> _Form:
    return _Form(
        values={
            **dict(flat(trial.config.model_dump(mode="json"))),
            **{f"{name}_digest": digest for name, digest in asdict(trial.digests).items()},
        },
        searched=frozenset(trial.parameters),
        parts=trial.parts,
        evaluate=trial.evaluate,
        phase=trial.phase,
    )


def _reason(
    record: Record,
    forms: Sequence[_Form],
    reading: _Reading,
) -> str:
    """Return why `record` is none of the planned trials."""
    if record.trainable != reading.trainable.name:
        return f"{OTHER_TRAINABLE} {record.trainable}"
    if record.identity_version != reading.trainable.identity_version:
        return OTHER_CODE
    if not forms:
        return OTHER_CELL
    values = {**reading.config(record.config), **{name: getattr(record, name) for name in _DIGESTS}}
    nearest = min((_differences(record, values, form) for form in forms), key=len)
    if nearest:
        return f"differ in {', '.join(nearest)}"
    if record.seed not in reading.seeds[record.phase]:
        return f"have seeds that are no longer in seeds.{record.phase}"
    return OTHER_SETTING


def _differences(record: Record, values: Mapping[str, Any], form: _Form) -> list[str]:
    """Return each field and part that differs, with both values; searched ones differ from trial to trial anyway."""
    free = {*form.searched, *record.parameters}
    found = [
        f"{path} ({shown(values.get(path))} -> {shown(form.values[path])})"
        for path in differing(values, form.values, (path for path in form.values if path not in free))
    ]
    before, now = record.parts, form.parts
    # A part that only one of them runs is reported by the field that switches it on.
    names = sorted(before.keys() & now.keys() if found else before.keys() | now.keys())
    found += [
        f"the code of {name} ({_identity(before.get(name))} -> {_identity(now.get(name))})"
        for name in names
        if before.get(name) != now.get(name)
    ]
    if record.phase == form.phase and sorted(record.evaluate) != sorted(form.evaluate):
        found.append(f"evaluate ({' '.join(record.evaluate)} -> {' '.join(form.evaluate)})")
    return found


def _identity(of_part: str | None) -> str:
    """Return the start of a file's digest, or a distribution with its version."""
    return "none" if of_part is None else of_part[:12] if len(of_part) == _DIGEST_LENGTH else of_part
