"""How a study searches: how many searches a cell has, which seeds each gets, and the same in words."""

from __future__ import annotations

from collections.abc import Sequence

SHARED = (
    "All arms of a condition share one setting, the best by their mean on val: equal, not tuned for each arm "
    "(search.shared)."
)
NESTED = "Each confirm seed has its own search; its best trial on val is its test trial (seeds.nested)."
REPEATED = (
    "Each cell is searched {} times, each time with other search seeds; the confirm "
    "seeds are divided among the "
    "settings found (search.repeats)."
)


def how_searched(*, repeats: int, nested: bool, shared: bool) -> tuple[str, ...]:
    """A line on how settings are found, unless each arm has one search and one setting of its own."""
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
    """The identifier, within its cell, of the search that a trial with this seed belongs to; `seeds` are the search
    seeds.

    The seed itself where each confirm seed searches for itself, otherwise the search's number.
    """
    if nested:
        return seed
    return next((number for number, own in enumerate(divided(seeds, repeats)) if seed in own), 0)
