"""Choose items from all possible ones, so that each kind gets its share and no text gives its answer away."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic
from typing import TypeVar

import numpy as np

Cell = tuple[str, ...]
"""Key of a quota, e.g. (slice, template, label, package)."""
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate(Generic[Item]):
    """A possible item about one scene."""

    item: Item
    scene: int
    cell: Cell
    weight: float = 1.0
    """Relative odds of being taken within its cell."""


def select(
    candidates: Iterable[Candidate[Item]], shares: Mapping[Cell, float], total: int, rng: np.random.Generator
) -> list[Item]:
    """Return about `total` items: each cell as near to its share as its candidates allow, ordered by scene.

    Within a cell, candidates are drawn by weighted sampling without replacement (Efraimidis and Spirakis 2006: the
    largest u^(1/weight)), and no scene gives more than three times its even share.
    """
    cells = _by_cell(candidates)
    scenes = {candidate.scene for rows in cells.values() for candidate in rows}
    limit = max(1, math.ceil(3 * total / max(len(scenes), 1)))
    used: Counter[int] = Counter()
    taken: list[Candidate[Item]] = []
    counts = _rounded(shares, total)
    for cell in sorted(counts, key=lambda cell: len(cells[cell]) - counts[cell]):  # the scarcest first
        taken += _take(cells[cell], counts[cell], limit, used, rng)
    taken.sort(key=lambda candidate: candidate.scene)
    return [candidate.item for candidate in taken]


def _by_cell(candidates: Iterable[Candidate[Item]]) -> dict[Cell, list[Candidate[Item]]]:
    cells: dict[Cell, list[Candidate[Item]]] = defaultdict(list)
    for candidate in candidates:
        cells[candidate.cell].append(candidate)
    return cells


def _take(
    rows: list[Candidate[Item]], count: int, limit: int, used: Counter[int], rng: np.random.Generator
) -> list[Candidate[Item]]:
    keys = rng.random(len(rows)) ** (1 / np.array([candidate.weight for candidate in rows], dtype=np.float64))
    taken: list[Candidate[Item]] = []
    for place in np.argsort(-keys, kind="stable"):
        if len(taken) == count:
            break
        candidate = rows[int(place)]
        if used[candidate.scene] < limit:
            used[candidate.scene] += 1
            taken.append(candidate)
    return taken


def _rounded(shares: Mapping[Cell, float], total: int) -> dict[Cell, int]:
    """Return whole counts that sum to `total`, by largest remainder."""
    whole = sum(shares.values())
    exact = {cell: total * share / whole for cell, share in shares.items()}
    counts = {cell: int(value) for cell, value in exact.items()}
    by_remainder = sorted(exact, key=lambda cell: (counts[cell] - exact[cell], cell))
    for cell in by_remainder[: total - sum(counts.values())]:
        counts[cell] += 1
    return counts


def favour(text: str, choices: tuple[str, ...]) -> str:
    """Return which of `choices` the priors favour for `text`: fixed, arbitrary, independent of any picture."""
    point = hashlib.blake2b(text.encode(), digest_size=4).digest()
    return choices[int.from_bytes(point, "big") % len(choices)]


def odds(text: str, largest: float) -> float:
    """Return arbitrary but fixed odds for `text` in [1 / largest, largest], log-uniform."""
    point = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") / 2**32
    return float(largest ** (2 * point - 1))
