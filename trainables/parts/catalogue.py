"""The catalogue: every part that a study may name, and where each comes from. Imports no torch.

Each kind of part has a folder. A module there lists its parts in `PARTS`, as a user's own module does.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace
from functools import cache
from functools import cached_property
from types import ModuleType
from typing import Any
from typing import TypeVar

from ablative.trainables.parts.origin import BUNDLED
from ablative.trainables.parts.origin import Origin
from ablative.trainables.parts.part import Part
from ablative.trainables.parts.part import PartError

Kind = TypeVar("Kind", bound=Part)

LIST = "PARTS"
"""Name under which a module lists its parts."""
HOUSES: dict[str, str] = {
    "task": "ablative.trainables.tasks",
    "term": "ablative.trainables.terms",
    "student": "ablative.trainables.students.kinds",
    "teacher": "ablative.trainables.teachers.kinds",
    "trainable": "ablative.trainables.kinds",
}
"""Kind -> package whose modules list the bundled parts of that kind."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Catalogue:
    """Parts with their origins, in the order in which they were collected; names are unique within a kind."""

    listed: tuple[tuple[Part, Origin], ...]
    sources: tuple[str, ...] = ()
    """Digests of the files of parts that the user named (`ablative.trainables.parts.sources`)."""
    broken: tuple[str, ...] = ()
    """A line for each unusable part of an installed package."""

    def __post_init__(self) -> None:
        """Raise PartError where two parts of one kind have one name."""
        seen: dict[tuple[str, str], Part] = {}
        for part, _ in self.listed:
            other = seen.setdefault((part.kind, part.name), part)
            if other is not part:
                raise PartError(
                    f"{part.defined_at}: {part.kind} {part.name!r} is already defined in {other.defined_at}; give "
                    "one of them another name"
                )

    def of(self, kind: type[Kind]) -> Mapping[str, Kind]:
        """Return the parts of one kind by name."""
        found: dict[str, Kind] = self._tables.get(kind.kind, {})
        return found

    def identities(self, used: Iterable[Part]) -> dict[str, str]:
        """Return `kind/name` -> what enters a trial's id, for each used part that is not bundled."""
        found = {f"{part.kind}/{part.name}": self.origin(part).identity for part in used}
        return {name: identity for name, identity in sorted(found.items()) if identity}

    def origin(self, part: Part) -> Origin:
        """Return where a part comes from; its options do not matter."""
        return self._origins[part.kind, part.name]

    def joined(self, more: Iterable[tuple[Part, Origin]]) -> Catalogue:
        """Return a catalogue with further parts. Raises PartError for a name already in use."""
        return replace(self, listed=(*self.listed, *more))

    @cached_property
    def is_extended(self) -> bool:
        """Whether any part is not bundled."""
        return any(origin.identity for _, origin in self.listed)

    @cached_property
    def _tables(self) -> dict[str, dict[str, Any]]:
        tables: dict[str, dict[str, Any]] = {}
        for part, _ in self.listed:
            tables.setdefault(part.kind, {})[part.name] = part
        return tables

    @cached_property
    def _origins(self) -> dict[tuple[str, str], Origin]:
        return {(part.kind, part.name): origin for part, origin in self.listed}


@cache
def bundled() -> Catalogue:
    """Return the catalogue of bundled parts."""
    return Catalogue(listed=tuple((part, BUNDLED) for kind in HOUSES for part in shipped(kind)))


@cache
def shipped(kind: str) -> tuple[Part, ...]:
    """Return the bundled parts of one kind, in alphabetical order of their modules; packages are skipped."""
    house = HOUSES[kind]
    modules = (
        importlib.import_module(f"{house}.{found.name}")
        for found in pkgutil.iter_modules(importlib.import_module(house).__path__)
        if not found.ispkg
    )
    return tuple(part for module in modules for part in getattr(module, LIST, ()))


def parts_of(module: ModuleType, place: str) -> tuple[Part, ...]:
    """Return the parts that a user's module lists. Raises PartError if it lists none, or anything but parts."""
    found = getattr(module, LIST, None)
    if not isinstance(found, list | tuple) or not found:
        raise PartError(f"{place}: no parts; wanted {LIST} = [...], a list of the parts that this file defines")
    for number, part in enumerate(found):
        if not isinstance(part, Part):
            raise PartError(
                f"{place}: {LIST}[{number}] is {type(part).__name__}; wanted a part, such as ablative.Term"
            )
    return tuple(found)
