"""Cells: every arm under every combination of conditions, with the configuration and search space it has there."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

from pydantic import BaseModel

from ablative.search_spaces.arms import Arm
from ablative.search_spaces.arms import build_arms
from ablative.search_spaces.arms import reference
from ablative.search_spaces.arms import spelled
from ablative.search_spaces.configuration import replaced
from ablative.search_spaces.domains import Domain
from ablative.search_spaces.space import reduced
from ablative.search_spaces.space import searched
from ablative.search_spaces.study import Study

Condition = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One arm under one combination of conditions: searched once, and confirmed with every seed."""

    name: str
    """`arm|path=value,path=value`; the arm alone where a study has no conditions."""
    arm: str
    is_reference: bool
    is_control: bool
    condition: Condition
    config: BaseModel
    """Resolved, without fields that have no effect in this cell. Make it canonical again after setting parameters."""
    space: tuple[tuple[str, Domain], ...]
    """The parameters searched here, in the order of declaration; some may depend on earlier ones by their `when`."""


def combinations(conditions: dict[str, tuple[Any, ...]]) -> Iterator[Condition]:
    """Every combination of conditions, the last path varying fastest; one empty combination where there are none."""
    return (tuple(zip(conditions, values, strict=True)) for values in product(*conditions.values()))


def cell_name(arm: str, condition: Condition) -> str:
    """Name of the cell of `arm` under `condition`."""
    places = ",".join(f"{path}={spelled(value)}" for path, value in condition)
    return f"{arm}|{places}" if places else arm


def cells(study: Study, config_type: type[BaseModel], canonical: Callable[[Any], Any]) -> tuple[Cell, ...]:
    """The cells of a study, all arms of one combination of conditions beside each other.

    Of a path design, those that are known from the start.
    """
    base = config_type.model_validate(study.base)
    return cells_of(study, build_arms(study.arms, base), base, canonical)


def cells_of(study: Study, arms: Sequence[Arm], base: BaseModel, canonical: Callable[[Any], Any]) -> tuple[Cell, ...]:
    """The cells of some arms."""
    build = partial(_cell, study, base, canonical)
    return tuple(build(arm, condition) for condition in combinations(study.conditions) for arm in arms)


def _cell(study: Study, base: BaseModel, canonical: Callable[[Any], Any], arm: Arm, condition: Condition) -> Cell:
    config = replaced(base, {**arm.changes, **dict(condition)})
    # A setting that defines an arm is not searched in it.
    free = tuple((path, domain) for path, domain in study.search.space.items() if path not in arm.changes)
    space = searched(free, config, canonical)
    return Cell(
        name=cell_name(arm.name, condition),
        arm=arm.name,
        is_reference=arm.name == reference(study.arms),
        is_control=arm.is_control,
        condition=condition,
        config=reduced(config, space, canonical),
        space=space,
    )
