"""The tables of named choices, one for each setting: name, description, and what the name stands for. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Choice:
    """One value of a setting."""

    name: str
    description: str
    """Half a sentence, shown wherever users choose."""


C = TypeVar("C", bound=Choice)


def table(*choices: C) -> dict[str, C]:
    """Return the choices by name, in their order."""
    return {choice.name: choice for choice in choices}
