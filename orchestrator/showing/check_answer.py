"""The answer model of `ablate check --json`."""

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
    """The comparisons, in words."""
    comparisons: int
    pairs: tuple[int, int]
    """Fewest and most pairs of any comparison, if no trial fails."""
    pairs_needed: int
    """Fewest pairs with which a comparison can be the first to reach significance."""
    too_few: int
    """Comparisons with fewer pairs."""


class Sound(Answer):
    """The answer about a study without mistakes."""

    source: str
    """The words that named the study on the command line."""
    study: str
    mistakes: tuple[Mistake, ...] = ()
    """Empty."""
    warnings: tuple[Mistake, ...]
    """Warnings: allowed, but the author may regret them."""
    cells: int
    search_risk: str
    """How often the luck of the search would produce a false positive; empty if luck plays no part."""
    families: tuple[FamilyAnswer, ...]
    absent: tuple[str, ...]
    """A line for each data set or file that is missing on this machine."""
    refused: tuple[str, ...]
    """A line for each reason why this machine's processor could not run the trials of some cell."""


class SoundStudy(Sound):
    """A study without mistakes."""

    check_version: Literal[1] = 1
    searches: tuple[str, ...]
    """Sentences on recorded searches that ended at an edge or were too short."""


class RefusedStudy(Answer):
    """A study that cannot be used."""

    check_version: Literal[1] = 1
    source: str
    mistakes: tuple[Mistake, ...]
    """At least one mistake; in a strict study this includes warnings."""


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
