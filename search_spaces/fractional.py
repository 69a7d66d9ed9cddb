"""Regular two-level fractional factorials: which combinations of factors to run, and what they confound.

A design of 2^m runs gives each factor a column, a number of m bits that is not 0. In run x, from 0 to 2^m - 1, the
factor is at its other level where x and the column have an odd number of bits in common. Effects whose columns add up
(bit by bit, modulo 2) to the same are confounded: only their sum can be told (Box and Hunter 1961).
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from functools import reduce
from itertools import combinations
from operator import xor


def columns(num_factors: int, resolution: int) -> tuple[int, ...]:
    """Columns of the smallest design of at least this resolution that the search finds.

    Resolution R: no effect of p factors is confounded with one of fewer than R - p. That is, no fewer than R columns
    add up to 0. The search takes each smallest number that keeps this (a lexicode, Conway and Sloane 1986). 1, 2, 4
    and so on are always among them, so all runs differ.
    """
    found: list[int] = []
    reached = {0}  # sums of up to R - 2 columns: what a further one must not be
    candidate = 0
    while len(found) < num_factors:
        candidate += 1
        if candidate not in reached:
            found.append(candidate)
            reached = _sums(found, resolution - 2)
    return tuple(found)


def runs(of: Sequence[int]) -> Iterator[tuple[bool, ...]]:
    """For each run, whether each factor is at its other level; the first run has none there."""
    for run in range(1 << max(of, default=0).bit_length()):
        yield tuple((run & column).bit_count() % 2 == 1 for column in of)


def achieved_resolution(of: Sequence[int]) -> int | None:
    """The fewest columns that add up to 0; None for a full factorial, which confounds nothing."""
    for count in range(3, len(of) + 1):
        if any(reduce(xor, chosen) == 0 for chosen in combinations(of, count)):
            return count
    return None


def confounded(of: Sequence[int], names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Groups of main effects and two-factor interactions (`a:b`) that are confounded with each other."""
    groups: dict[int, list[str]] = {}
    for column, name in zip(of, names, strict=True):
        groups.setdefault(column, []).append(name)
    for (one, first), (other, second) in combinations(zip(of, names, strict=True), 2):
        groups.setdefault(one ^ other, []).append(f"{first}:{second}")
    return tuple(tuple(group) for _, group in sorted(groups.items()) if len(group) > 1)


def _sums(of: Sequence[int], most: int) -> set[int]:
    return {reduce(xor, chosen, 0) for count in range(most + 1) for chosen in combinations(of, count)}
