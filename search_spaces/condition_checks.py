"""Checks that a study's conditions are different computations.

Two that compute the same in every arm are one result under two names.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ablative.search_spaces.design import Cell
from ablative.search_spaces.design import Condition
from ablative.search_spaces.design import cell_name
from ablative.search_spaces.document import Document
from ablative.search_spaces.errors import Mistake
from ablative.search_spaces.study import Study
from ablative.search_spaces.wording import Place
from ablative.search_spaces.wording import shown


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alike:
    """Two combinations of conditions with the same computation in every arm."""

    later: Condition
    earlier: Condition
    beside: Condition
    """The values that both share; empty if nothing is crossed, or if they differ in several paths."""

    @property
    def pairs(self) -> list[tuple[str, Any, Any]]:
        """Path, later and earlier value of each path in which they differ."""
        both = zip(self.later, self.earlier, strict=True)
        return [(path, value, before) for (path, value), (_, before) in both if repr(value) != repr(before)]


def condition_mistakes(document: Document, study: Study, built: Sequence[Cell]) -> Iterator[Mistake]:
    """All values of conditions that compute the same as an earlier value in every arm."""
    found: dict[tuple[Place, str], list[Condition]] = {}
    for alike in _alike(built):
        found.setdefault(_told(study, alike), []).append(alike.beside)
    combinations = len({repr(cell.condition) for cell in built})
    for (place, said), beside in found.items():
        crossed = combinations // len(study.conditions[str(place[1])]) if len(place) > 1 else 1
        where = f" under {cell_name('', beside[0])[1:]}" if len(beside) < crossed else ""
        expected = "removed, or a value that changes what some arm computes"
        yield document.mistake(place, f"{said} in every arm{where}", expected)


def computed(cell: Cell) -> tuple[str, str]:
    """A cell's computation, as text."""
    return cell.config.model_dump_json(), repr(cell.space)


def _alike(built: Sequence[Cell]) -> Iterator[_Alike]:
    contents: dict[str, tuple[Condition, list[tuple[str, str]]]] = {}
    for cell in built:
        contents.setdefault(repr(cell.condition), (cell.condition, []))[1].append(computed(cell))
    first: dict[tuple[tuple[tuple[str, str], ...], str], Condition] = {}
    for condition, content in contents.values():
        # Of the combinations before it, one that differs in a single path says most.
        rests = [(*condition[:at], *condition[at + 1 :]) for at in range(len(condition))]
        earlier = [first.setdefault((tuple(content), repr(rest)), condition) for rest in rests]
        any_before = first.setdefault((tuple(content), ""), condition)
        near = [pair for pair in zip(earlier, rests, strict=True) if pair[0] is not condition]
        for other, rest in near or [(any_before, ())]:
            if other is not condition:
                yield _Alike(later=condition, earlier=other, beside=rest)


def _told(study: Study, alike: _Alike) -> tuple[Place, str]:
    path, value, before = alike.pairs[0]
    if len(alike.pairs) == 1:
        index = list(map(repr, study.conditions[path])).index(repr(value))
        return ("conditions", path, index), f"{shown(value)}, the same computation as {shown(before)}"
    one, two = (", ".join(f"{path}={shown(both[at])}" for path, *both in alike.pairs) for at in (0, 1))
    return ("conditions",), f"{one}, the same computation as {two}"
