"""A checked study, as the command line and a notebook show it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING
from typing import Any

from ablative.orchestrator.showing.luck import checked_line
from ablative.orchestrator.showing.whereabouts import place
from ablative.orchestrator.showing.whereabouts import store_uri
from ablative.search_spaces.errors import Mistake
from ablative.search_spaces.errors import StudyError
from ablative.search_spaces.load import LoadedStudy
from ablative.search_spaces.searches import how_searched

if TYPE_CHECKING:
    from ablative.orchestrator.showing.check_answer import SoundStudy


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CheckedStudy:
    """A sound study: its size, what its comparisons can show, and what its author may regret."""

    source: str
    """The words that named the study on the command line."""
    loaded: LoadedStudy
    broken: tuple[str, ...] = ()
    """A line for each part of an installed package that was left out."""
    absent: tuple[str, ...] = ()
    """A line for each data set or file that is missing on this machine."""
    refused: tuple[str, ...] = ()
    """A line for each reason why this machine's processor could not run the trials of some cell."""
    searches: tuple[str, ...] = ()
    """Lines on recorded searches that ended at an edge or were too short."""

    @property
    def study(self) -> str:
        """The name of the study."""
        return self.loaded.study.study

    @property
    def warnings(self) -> tuple[Mistake, ...]:
        """Warnings: allowed, but the author may regret them."""
        return self.loaded.warnings

    @property
    def headline(self) -> str:
        """One line: no mistakes, how many warnings, and how large the study is."""
        num = len(self.warnings)
        count = f", {num} warning{'s' if num > 1 else ''}" if num else ""
        return f"{self.source}: no mistakes{count}; {size_line(self.loaded)}"

    def notes(self) -> list[str]:
        """Return lines on the place of the records, the power of the comparisons, and data missing on this machine."""
        study = self.loaded.study
        return [
            f"records in {place(store_uri(None, study))}",
            *self.comparisons(),
            *([line] if (line := checked_line(self.loaded)) else []),
            *how_searched(repeats=study.search.repeats, nested=study.seeds.nested, shared=study.search.shared),
            *(f"not here: {line}" for line in self.absent),
        ]

    def comparisons(self) -> list[str]:
        """Return a line for each family of comparisons."""
        return comparisons(self.loaded)

    def cautions(self) -> list[str]:
        """Return lines on warnings, for this machine or in general, and on parts that were left out."""
        here = (f"here: {line}" for line in self.refused)
        searched = (f"recorded so far: {line}" for line in self.searches)
        return [*map(str, self.warnings), *here, *searched, *(f"left out: {line}" for line in self.broken)]

    def answer(self) -> SoundStudy:
        """Return the answer of `ablate check --json`."""
        from ablative.orchestrator.showing.check_answer import SoundStudy

        return SoundStudy(**self.told(), searches=self.searches)

    def told(self) -> dict[str, Any]:
        """Return the fields that `ablate check` and `ablate plan` share in JSON."""
        from ablative.orchestrator.showing.check_answer import family_answer

        return {
            "source": self.source,
            "study": self.study,
            "warnings": self.warnings,
            "cells": len(self.loaded.cells),
            "search_risk": checked_line(self.loaded),
            "families": tuple(map(family_answer, self.loaded.families)),
            "absent": self.absent,
            "refused": self.refused,
        }

    def values(self) -> dict[str, Any]:
        """Return the answer of `ablate check --json`, as JSON values: name, size, families and warnings."""
        return self.answer().model_dump(mode="json")

    def __repr__(self) -> str:
        """Return all of it as lines."""
        return "\n".join([self.headline, *(f"  {note}" for note in self.notes()), *self.cautions()])

    def _repr_html_(self) -> str:
        """Return all of it for a notebook."""
        notes = "".join(f"<li>{escape(note)}</li>" for note in self.notes())
        cautions = "".join(f"<p>{escape(line)}</p>" for line in self.cautions())
        return f"<p><b>{escape(self.headline)}</b></p><ul>{notes}</ul>{cautions}"


def checked_json(found: Iterable[CheckedStudy | tuple[str, StudyError]]) -> str:
    """Return the printed answer of `ablate check --json`; a rejected study comes with its name and its error.

    In a strict study, warnings are mistakes.
    """
    from pydantic import TypeAdapter

    from ablative.orchestrator.showing.check_answer import CheckedStudies
    from ablative.orchestrator.showing.check_answer import RefusedStudy

    answers = tuple(
        RefusedStudy(source=one[0], mistakes=tuple(one[1].mistakes)) if isinstance(one, tuple) else one.answer()
        for one in found
    )
    return TypeAdapter(CheckedStudies).dump_json(answers, indent=2).decode()


def comparisons(loaded: LoadedStudy) -> list[str]:
    """Return a line for each family of comparisons: what it can show."""
    return [str(family) for family in loaded.families]


def size_line(loaded: LoadedStudy) -> str:
    """Return how many cells and trials a study has."""
    study, cells = loaded.study, loaded.cells
    searching, confirmed = sum(bool(cell.space) for cell in cells), len(cells) * len(study.seeds.confirm)
    searched = searching * study.search.trials * len(study.seeds.search)
    if study.arms.design == "path":
        return f"{len(cells)} cells to start with, {len(study.arms.factors)} rounds; `ablate plan` counts the trials"
    if study.seeds.nested:
        seeds = f"{study.seeds.looks[0]} to " if study.seeds.sequential else ""
        seeds += str(study.seeds.looks[-1])
        tried = sum(study.search.trials if cell.space else 1 for cell in cells)
        return f"{len(cells)} cells, {tried} trials for each of {seeds} confirm seeds, each with its own search"
    if study.seeds.sequential:
        least = len(cells) * study.seeds.looks[0]
        return f"{len(cells)} cells, {searched} search trials, {least} to {confirmed} confirm trials"
    return f"{len(cells)} cells, {searched} search trials, {confirmed} confirm trials"
