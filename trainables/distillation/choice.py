"""One visible table a setting: an entry is a name, a description and what the name stands for. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Choice:
    """One value of a setting."""

    name: str
    description: str
    """Half a sentence, shown where a person chooses."""


C = TypeVar("C", bound=Choice)


def table(*choices: C) -> dict[str, C]:
    """Return the choices by name, in their order."""
    return {choice.name: choice for choice in choices}
