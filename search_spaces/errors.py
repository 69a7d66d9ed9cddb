"""The mistakes of a study: all at once, each with its place and remedy; and warnings beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ablative.errors import AblativeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One thing that the author of a study can correct."""

    file: str
    """Path of the study file, or `override a.b=value` for a trailing override."""
    line: int | None
    """Line in the file, from 1; None where there is none."""
    path: str
    """Place inside the study, e.g. `search.space.optim.lr`; empty for the whole file."""
    found: str
    expected: str
    """The correct form, to be read after "should be"."""
    severity: Literal["mistake", "warning"] = "mistake"
    """A study with warnings can be run, unless it says `strict: true`."""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        warning = " warning:" if self.severity == "warning" else ""
        inside = f" {self.path}:" if self.path else ""
        said = f"{place}:{warning}{inside} found {self.found}; should be {self.expected}"
        return "".join(mark if mark.isprintable() else ascii(mark)[1:-1] for mark in said)  # a terminal obeys some


def grave(found: Sequence[Mistake]) -> list[Mistake]:
    """The mistakes among `found` that make a study unusable: all but warnings."""
    return [mistake for mistake in found if mistake.severity == "mistake"]


class StudyError(AblativeError, ValueError):
    """A study that cannot be used; `str` lists all its mistakes and warnings, one a line."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("\n".join(str(mistake) for mistake in mistakes))
        self.mistakes = tuple(mistakes)
