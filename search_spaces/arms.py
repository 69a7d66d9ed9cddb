"""From factors to arms: the designs."""

from __future__ import annotations

import json
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from pydantic import BaseModel

from ablative.search_spaces import fractional
from ablative.search_spaces.configuration import flatten
from ablative.search_spaces.configuration import value_at
from ablative.search_spaces.study import Arms
from ablative.search_spaces.study import Factor


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One level of a factor, other than the base's."""

    factor: str
    label: str
    """Part of the arm's name: `without_x`, `with_x` or `x=level`."""
    changes: dict[str, Any]
    """By leaf."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One compared variant: the base with some changes."""

    name: str
    changes: dict[str, Any]
    levels: tuple[Level, ...] = ()
    """Levels other than the base's; empty for the base, listed arms and controls."""
    is_control: bool = False


def spelled(value: Any) -> str:
    """A value as written in names of arms and cells."""
    if isinstance(value, str) and value and not set(value) & set(' ,=|"'):
        return value
    return json.dumps(value)


def named_levels(name: str, factor: Factor) -> Iterator[tuple[str, dict[str, Any]]]:
    """The label and the changes of each level that a factor names, whether or not the base is at it."""
    if factor.without is not None:
        yield f"without_{name}", factor.without
    if factor.with_ is not None:
        yield f"with_{name}", factor.with_
    for level, changes in (factor.levels or {}).items():
        yield f"{name}={level}", changes
    for value in factor.values or ():
        yield f"{name}={spelled(value)}", {name: value}


def levels(name: str, factor: Factor, base: BaseModel) -> tuple[Level, ...]:
    """The levels of a factor that differ from the base's."""
    every = (
        Level(factor=name, label=label, changes=flatten(type(base), changes))
        for label, changes in named_levels(name, factor)
    )
    return tuple(
        level for level in every if any(value_at(base, path) != value for path, value in level.changes.items())
    )


def _arm(chosen: Iterable[Level]) -> Arm:
    chosen = tuple(chosen)
    changes: dict[str, Any] = {}
    for level in chosen:
        changes |= level.changes
    return Arm(name="+".join(level.label for level in chosen), changes=changes, levels=chosen)


def _one_at_a_time(factors: tuple[tuple[Level, ...], ...]) -> Iterator[Arm]:
    return (_arm([level]) for factor in factors for level in factor)


def _ladder(factors: tuple[tuple[Level, ...], ...]) -> Iterator[Arm]:
    below: tuple[Level, ...] = ()
    for factor in factors:
        for level in factor:
            yield _arm((*below, level))
        below = (*below, *factor[-1:])


def _factorial(factors: tuple[tuple[Level, ...], ...]) -> Iterator[Arm]:
    for combination in product(*((None, *factor) for factor in factors)):
        if any(combination):
            yield _arm(level for level in combination if level is not None)


def _fractional(factors: tuple[tuple[Level, ...], ...], resolution: int) -> Iterator[Arm]:
    # By name: which fraction is run must not depend on the order of the file.
    names = [factor[0].factor for factor in factors]
    column = dict(zip(sorted(names), fractional.columns(len(names), resolution), strict=True))
    for run in fractional.runs([column[name] for name in names]):
        if any(run):
            yield _arm(factor[0] for factor, is_other in zip(factors, run, strict=True) if is_other)


def path_steps(arms: Arms, base: BaseModel) -> tuple[Level, ...]:
    """The changes of a path design, one a factor, in the order of the file."""
    return tuple(levels(name, factor, base)[0] for name, factor in arms.factors.items())


def path_arm(steps: Iterable[Level], taken: Collection[str]) -> Arm:
    """The arm of a path with the changes of the factors `taken`, whatever the order in which they were taken."""
    return _arm(level for level in steps if level.factor in taken)


def _path(factors: tuple[tuple[Level, ...], ...]) -> Iterator[Arm]:
    """The first arms that a path can visit, and its last; results decide the arms between."""
    yield from _one_at_a_time(factors)
    yield _arm(factor[0] for factor in factors)


_DESIGNS = {
    "add_one": _one_at_a_time,
    "leave_one_out": _one_at_a_time,
    "ladder": _ladder,
    "factorial": _factorial,
    "path": _path,
}
FORMS = {
    "add_one": ("with", "levels", "values"),
    "leave_one_out": ("without", "levels", "values"),
    "ladder": ("with", "without", "levels", "values"),
    "factorial": ("with", "without", "levels", "values"),
    "fractional": ("with", "without", "levels", "values"),
    "path": ("with", "without", "levels", "values"),
}
"""The forms of a factor that each design understands."""
RESOLUTION = 4
"""Of a fractional design that names none."""


def build_arms(arms: Arms, base: BaseModel) -> tuple[Arm, ...]:
    """All arms in order: the base and the design's, listed ones, controls (whose changes `load` has filled in)."""
    built: list[Arm] = []
    factors = tuple(levels(name, factor, base) for name, factor in arms.factors.items())
    if arms.design in _DESIGNS:
        built += [Arm(name=arms.base, changes={}), *_DESIGNS[arms.design](factors)]
    elif arms.design == "fractional":
        built += [Arm(name=arms.base, changes={}), *_fractional(factors, arms.resolution or RESOLUTION)]
    elif not arms.listed:
        built.append(Arm(name=arms.base, changes={}))
    for name, changes in arms.listed.items():
        built.append(Arm(name=name, changes=flatten(type(base), changes or {})))
    for name, changes in arms.controls.items():
        built.append(Arm(name=name, changes=flatten(type(base), changes or {}), is_control=True))
    return tuple(built)


def reference(arms: Arms) -> str:
    """Name of the arm that effects are computed against."""
    if arms.reference is not None:
        return arms.reference
    return next(iter(arms.listed), arms.base) if arms.design == "listed" else arms.base
