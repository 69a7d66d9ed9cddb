"""How two trials, arms or studies differ, for a terminal and for a program."""

from __future__ import annotations

import json
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from statistics import fmean
from typing import Any
from typing import Literal

from pydantic import Field

from ablative.frozen import Answer
from ablative.orchestrator.deciding.sides import Kind
from ablative.orchestrator.deciding.sides import Side
from ablative.orchestrator.learned import is_result
from ablative.orchestrator.storing.differing import all_values
from ablative.orchestrator.storing.differing import differing
from ablative.orchestrator.storing.differing import flat
from ablative.orchestrator.storing.differing import shown
from ablative.orchestrator.storing.records import Record

_MOST_VALUES = 4


class Compared(Answer):
    """One side."""

    kind: Kind
    name: str = Field(description="Trial id, `study:arm`, or study.")
    trials: int = Field(description="Records that it has.")


class Differs(Answer):
    """One path whose values differ between the two sides."""

    path: str
    first: tuple[Any, ...] = Field(description="Each value of a trial of the first side; none if not recorded.")
    second: tuple[Any, ...]
    searched: bool = Field(
        False, description="Whether the search chooses the value, so that trials differ in it anyway."
    )


class Measured(Answer):
    """One metric of both sides."""

    arm: str = Field(description="For two studies, the arm that both have; else empty.")
    metric: str = Field(description="`split/name`.")
    first: float | None = Field(description="Mean over the completed confirm trials; of a trial, its value.")
    second: float | None
    difference: float | None = Field(description="Second minus first.")


class DiffAnswer(Answer):
    """The answer of `ablate diff --json`."""

    diff_version: Literal[1] = 1
    first: Compared
    second: Compared
    configuration: tuple[Differs, ...] = Field(description="Trial configuration, seeds and splits.")
    data: tuple[Differs, ...] = Field(description="Digests of what trials read.")
    code: tuple[Differs, ...] = Field(description="Commit, meaning of a trial, and parts that do not ship.")
    environment: tuple[Differs, ...] = Field(description="Machine, devices and package versions.")
    result: tuple[Measured, ...] = Field(description="Metrics, without those of training.")

    def text(self) -> str:
        """Return it in sections, for a terminal."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        for mark, side in (("-", self.first), ("+", self.second)):
            yield f"{mark} {side.kind} {side.name}, {side.trials} trial{'s' if side.trials != 1 else ''}"
        for name in ("configuration", "data", "code", "environment"):
            found: Sequence[Differs] = getattr(self, name)
            yield f"{name}: {'' if found else 'the same'}".rstrip()
            yield from map(_line, found)
        yield "result:" if self.result else "result: no metric in common"
        for item in self.result:
            of_arm = f"{item.arm}: " if item.arm else ""
            change = "" if item.difference is None else f" ({item.difference:+.4f})"
            yield f"  {of_arm}{item.metric}: {_number(item.first)} -> {_number(item.second)}{change}"
        if self.first.kind != "trial" and self.result:
            yield "Means of completed confirm trials; `ablate query` and `ablate compare` tell effects from chance."


def diff_answer(first: Side, second: Side) -> DiffAnswer:
    """Return the differences between two sides."""
    sides = first, second
    searched = {path for side in sides for record in side.records for path in record.parameters}
    return DiffAnswer(
        first=_compared(first),
        second=_compared(second),
        configuration=tuple(
            item.model_copy(update={"searched": item.path in searched}) for item in _differs(sides, _configuration)
        ),
        data=_differs(sides, _data),
        code=_differs(sides, _code),
        environment=_differs(sides, _environment),
        result=tuple(_results(first, second)),
    )


def _compared(side: Side) -> Compared:
    return Compared(kind=side.kind, name=side.name, trials=len(side.records))


def _differs(sides: tuple[Side, Side], described: Callable[[Record], Mapping[str, Any]]) -> tuple[Differs, ...]:
    first, second = (all_values(map(described, side.records)) for side in sides)
    paths = differing(first, second, dict.fromkeys([*first, *second]))
    return tuple(Differs(path=path, first=first.get(path, ()), second=second.get(path, ())) for path in paths)


def _configuration(record: Record) -> dict[str, Any]:
    return {**dict(flat(json.loads(record.config))), "seed": record.seed, "evaluate": sorted(record.evaluate)}


def _data(record: Record) -> dict[str, Any]:
    return {name: getattr(record, name) for name in ("data_digest", "teacher_digest", "student_digest")}


def _code(record: Record) -> dict[str, Any]:
    known = {name: getattr(record, name) for name in ("trainable", "identity_version", "commit", "dirty")}
    return {**known, **{f"parts.{name}": identity for name, identity in record.parts.items()}}


def _environment(record: Record) -> dict[str, Any]:
    known = {name: getattr(record, name) for name in ("device", "num_workers", "host")}
    return {**known, **{f"versions.{name}": version for name, version in record.versions.items()}}


def _results(first: Side, second: Side) -> Iterator[Measured]:
    if first.kind == second.kind == "study":
        arms = dict.fromkeys(one.arm for one in first.confirmed)
        for arm in arms:
            own, other = ([one for one in side.confirmed if one.arm == arm] for side in (first, second))
            if other:
                yield from _measured(own, other, arm)
        return
    yield from _measured(first.confirmed, second.confirmed, "")


def _measured(first: Sequence[Record], second: Sequence[Record], arm: str) -> Iterator[Measured]:
    means = [_means(records) for records in (first, second)]
    for metric in sorted(means[0].keys() & means[1].keys()):
        own, other = means[0][metric], means[1][metric]
        yield Measured(arm=arm, metric=metric, first=own, second=other, difference=other - own)


def _means(records: Sequence[Record]) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for record in records:
        for metric, value in record.metrics.items():
            if is_result(metric):
                values.setdefault(metric, []).append(value)
    return {metric: fmean(found) for metric, found in values.items()}


def _line(item: Differs) -> str:
    searched = " (searched)" if item.searched else ""
    return f"  {item.path}: {_listed(item.first)} -> {_listed(item.second)}{searched}"


def _listed(values: Sequence[Any]) -> str:
    if not values:
        return "not recorded"
    more = f" and {len(values) - _MOST_VALUES} more" if len(values) > _MOST_VALUES else ""
    return ", ".join(shown(value) for value in values[:_MOST_VALUES]) + more


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"
