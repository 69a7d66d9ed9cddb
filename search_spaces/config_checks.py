"""Checks that cells' configurations are consistent, and arms' objectives differ by more than a constant factor."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from pydantic import BaseModel

from ablative.search_spaces.arms import Arm
from ablative.search_spaces.configuration import leaves
from ablative.search_spaces.configuration import negligible
from ablative.search_spaces.configuration import replaced
from ablative.search_spaces.configuration import unusual
from ablative.search_spaces.configuration import value_at
from ablative.search_spaces.design import Cell
from ablative.search_spaces.document import Document
from ablative.search_spaces.domains import Choice
from ablative.search_spaces.errors import Mistake
from ablative.search_spaces.wording import Place
from ablative.search_spaces.wording import shown

Contradictions = Callable[[Any], Iterable[tuple[str, str, str]]]
"""Configuration -> (path, found, wanted) for each field that another one forbids."""
Elastic = Callable[[Any, int], Iterable[tuple[str, str, str]]]
"""Configuration, greatest number of workers -> the same of each field that makes results depend on how many workers a
trial has."""
WithoutScale = Callable[[Any], Any]
"""Configuration -> the same, with the representative of all objectives that differ by a constant factor."""


def no_contradictions(config: Any) -> tuple[()]:
    """For a trainable whose fields never contradict each other."""
    return ()


def unscaled(config: Any) -> Any:
    """For a trainable without objectives that differ only by a factor."""
    return config


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigChecks:
    """Checks of the configurations that the cells of a study have."""

    document: Document
    contradictions: Contradictions
    without_scale: WithoutScale
    places: Mapping[str, Callable[[str | None], Place]]
    """Arm -> place of what it changes at a path, or of the arm itself."""

    def check(self, base: BaseModel, arms: Sequence[Arm], cells: Sequence[Cell]) -> Iterator[Mistake]:
        """All mistakes and warnings, each once."""
        yield from self._unusual(base)
        changes = {arm.name: arm.changes for arm in arms}
        told = (mistake for cell in cells for mistake in self._forbidden(cell, changes[cell.arm]))
        yield from dict.fromkeys(told)
        yield from dict.fromkeys(self._scaled_cells(cells))
        yield from dict.fromkeys(mistake for cell in cells for mistake in self._scaled_choices(cell))

    def _unusual(self, base: BaseModel) -> Iterator[Mistake]:
        for path in leaves(type(base)):
            place, value = ("base", *path.split(".")), value_at(base, path)
            if (expected := negligible(value)) is not None:
                yield self.document.mistake(place, shown(value), expected)
            elif (better := unusual(type(base), path, value)) is not None:
                yield self.document.warning(place, shown(value), better)

    def _forbidden(self, cell: Cell, changes: Mapping[str, Any]) -> Iterator[Mistake]:
        if not cell.space:  # most cells; a copy of each would be felt
            settings: list[dict[str, Any]] = [{}]
        else:
            settings = [{}, *({path: value} for path, domain in cell.space for value in domain.probes())]
        for setting in settings:
            for path, found, expected in self.contradictions(replaced(cell.config, setting)):
                yield self.document.mistake(self._place(cell, path, setting, changes), found, expected)

    def _place(self, cell: Cell, path: str, setting: Mapping[str, Any], changes: Mapping[str, Any]) -> Place:
        if path in setting:
            return ("search", "space", path)
        if path in dict(cell.condition):
            return ("conditions", path)
        return self.places[cell.arm](path) if path in changes else ("base", *path.split("."))

    def _scaled_cells(self, cells: Sequence[Cell]) -> Iterator[Mistake]:
        alike: dict[tuple[str, str], list[Cell]] = {}
        for cell in cells:
            config = self.without_scale(cell.config)
            alike.setdefault((config.model_dump_json(), repr(cell.space)), []).append(cell)
        for group in alike.values():
            for first, second in combinations(group, 2):
                if first.config == second.config:
                    continue  # the same computation: told elsewhere
                if first.condition == second.condition:
                    found = f"arm {second.arm}, whose objective is that of arm {first.arm} times a constant"
                    yield self._scaled(self.places[second.arm](None), found)
                elif first.arm == second.arm:
                    (path, value, other), *_ = (
                        (path, value, other)
                        for (path, value), (_, other) in zip(second.condition, first.condition, strict=True)
                        if value != other
                    )
                    found = f"{shown(value)}, which gives the objective of {shown(other)} times a constant"
                    yield self._scaled(("conditions", path), found)

    def _scaled_choices(self, cell: Cell) -> Iterator[Mistake]:
        for path, domain in cell.space:
            if not isinstance(domain, Choice):
                continue
            for (_, first), (index, second) in combinations(enumerate(domain.choice), 2):
                one, other = (replaced(cell.config, {path: value}) for value in (first, second))
                if one != other and self.without_scale(one) == self.without_scale(other):
                    found = f"{shown(second)}, which gives the objective of {shown(first)} times a constant"
                    yield self._scaled(("search", "space", path, "choice", index), found)

    def _scaled(self, place: Place, found: str) -> Mistake:
        return self.document.warning(place, found, "left out: only the weight of the terms differs")
