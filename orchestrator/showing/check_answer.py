"""What `ablate check --json` says."""

from __future__ import annotations

from typing import Literal

from ablative.frozen import Answer
from ablative.search_spaces.errors import Mistake
from ablative.search_spaces.families import Family
from ablative.search_spaces.families import FamilyName


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
