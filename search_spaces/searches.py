"""How the search of a study is done: how many searches a cell has, whose seeds they are, and that in words."""

from __future__ import annotations

from collections.abc import Sequence

SHARED = (
    "All arms of a condition share one setting, the best by their mean on val: equal, not tuned for each arm "
    "(search.shared)."
)
NESTED = "Each confirm seed searches for itself; its trial that is best on val is its test trial (seeds.nested)."
REPEATED = (
    "Each cell is searched {} times, each time with search seeds of its own; confirm seeds are dealt out to the "
    "settings found (search.repeats)."
)


def how_searched(*, repeats: int, nested: bool, shared: bool) -> tuple[str, ...]:
    """A line on how settings are found, where each arm does not have one of its own from one search."""
    if shared:
        return (SHARED,)
    if nested:
        return (NESTED,)
    return (REPEATED.format(repeats),) if repeats > 1 else ()


def divided(seeds: Sequence[int], repeats: int) -> tuple[tuple[int, ...], ...]:
    """The search seeds of each of a cell's searches."""
    each = len(seeds) // repeats
    return tuple(tuple(seeds[first : first + each]) for first in range(0, each * repeats, each))


def search_of(seed: int, seeds: Sequence[int], *, repeats: int, nested: bool) -> int:
    """What tells the searches of a cell apart, for a search trial with this seed; `seeds` are those of search.

    The seed itself where each confirm seed searches for itself, otherwise the search's number.
    """
    if nested:
        return seed
    return next((number for number, own in enumerate(divided(seeds, repeats)) if seed in own), 0)
