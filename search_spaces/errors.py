"""What is wrong with a study: every mistake at once, each with its place and remedy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One thing the author of a study can put right."""

    file: str
    """Path of the study file, or `override a.b=value` for a trailing override."""
    line: int | None
    """Line in the file, from 1; None where there is none."""
    path: str
    """Place inside the study, e.g. `search.space.optim.lr`; empty for the whole file."""
    found: str
    expected: str
    """What would be right, to be read after "should be"."""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        inside = f" {self.path}:" if self.path else ""
        return f"{place}:{inside} found {self.found}; should be {self.expected}"


class StudyError(ValueError):
    """A study that cannot be used; `str` gives all its mistakes, one a line."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__("\n".join(str(mistake) for mistake in mistakes))
        self.mistakes = mistakes
