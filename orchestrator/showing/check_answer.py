"""What `ablate check --json` and `ablate plan --json` say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Literal

from pydantic import TypeAdapter

from ablative.frozen import Answer
from ablative.orchestrator.deciding.costs import Cost
from ablative.orchestrator.showing.preflight import Outlook
from ablative.search_spaces.errors import Mistake
from ablative.search_spaces.families import Family
from ablative.search_spaces.families import FamilyName
from ablative.trainables.parts.trainable import Exposure


class FamilyAnswer(Answer):
    """Comparisons that are corrected together."""

    family: FamilyName
    what: str
    """What is compared, in words."""
    comparisons: int
    pairs: tuple[int, int]
    """Fewest and most pairs that a comparison gets if no trial fails."""
    pairs_needed: int
    """Fewest with which a comparison can show a difference before any other has."""
    too_few: int
    """Comparisons with fewer pairs."""


class Sound(Answer):
    """What is said of a study without mistakes."""

    source: str
    """What it was asked for by."""
    study: str
    mistakes: tuple[Mistake, ...] = ()
    """Empty."""
    warnings: tuple[Mistake, ...]
    """What is allowed and may be regretted."""
    cells: int
    search_risk: str
    """How often the luck of the search would find something; empty where it has none."""
    families: tuple[FamilyAnswer, ...]
    absent: tuple[str, ...]
    """A line for each data set or file that is not on this machine."""
    refused: tuple[str, ...]
    """A line for each reason for which this machine's processor would run no trial of some cell."""


class SoundStudy(Sound):
    """A study without mistakes."""

    check_version: Literal[1] = 1


class RefusedStudy(Answer):
    """A study that cannot be used."""

    check_version: Literal[1] = 1
    source: str
    mistakes: tuple[Mistake, ...]
    """At least one; of a strict study also what would be a warning of another."""


CheckedStudies = tuple[SoundStudy | RefusedStudy, ...]
"""The answer of `ablate check --json`."""


class CellExposure(Answer):
    """What a trial of a cell sees of its training data."""

    cell: str
    examples: int | None
    """In its share of the training data; null where that is not known."""
    seen: int | None
    """Examples that all its steps take together, each as often as it is taken; null where that is not known."""
    sequences_each: int
    """Sequences that pass through the student for one example."""
    note: str
    """Where the number of examples is from, or why it is not known; else empty."""
    passes: float | None
    """Passes over the trial's share of the training data."""


class PlanAnswer(Sound):
    """The answer of `ablate plan --json`: what `check` says, the counts of trials, and the cost."""

    plan_version: Literal[1] = 1
    taken: int
    """Trials that are recorded by other studies."""
    owed: int
    missing: str
    """Which data is not here, so that nothing counts as recorded; else empty."""
    recorded: int
    cost: Cost
    sequences: int | None
    """Sequences of picture and text that all owed trials train on; null where that is not known."""
    training_seconds: float | None
    """Seconds of one device at `--rate`; null without it."""
    exposure: tuple[CellExposure, ...]
    few_passes: tuple[str, ...]
    """Cells with all the data that do not see all of it once."""
    preflight: tuple[Outlook, ...]
    """What was measured of the study's teachers."""
    unmeasured: int
    """Cells with a teacher of which nothing was."""


def family_answer(family: Family) -> FamilyAnswer:
    """Return a family as the answers have it."""
    return FamilyAnswer(
        family=family.name,
        what=family.what,
        comparisons=len(family.pairs),
        pairs=(min(family.pairs), max(family.pairs)),
        pairs_needed=family.needed,
        too_few=len(family.short),
    )


def exposure_answer(cell: str, seen: Exposure) -> CellExposure:
    """Return what the trials of a cell see, as the answer has it."""
    own = {field.name: getattr(seen, field.name) for field in fields(seen)}
    return CellExposure(cell=cell, passes=seen.passes, **own)


def refused_study(source: str, mistakes: Sequence[Mistake]) -> RefusedStudy:
    """Return the mistakes of a study that cannot be used; warnings are mistakes where it is strict."""
    return RefusedStudy(source=source, mistakes=tuple(mistakes))


def checked_json(answers: Sequence[SoundStudy | RefusedStudy]) -> str:
    """Return the answer of `ablate check --json` as it is printed."""
    return TypeAdapter(CheckedStudies).dump_json(tuple(answers), indent=2).decode()
