"""The settings a search starts with, before there is anything to learn from.

Each parameter is drawn on its own, from a generator seeded by its name, the search seeds and the batch. So two arms
that share a parameter try the same values of it, whatever else they search. Otherwise, with a small budget, the luck
of the draw would pass for an effect. Within a batch the values are spread: a Latin hypercube, one value a stratum
(McKay, Beckman and Conover 1979).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING
from typing import Any

from ablative.search_spaces.content_hash import content_hash
from ablative.search_spaces.domains import Choice
from ablative.search_spaces.domains import Domain
from ablative.search_spaces.domains import LogRandInt
from ablative.search_spaces.domains import LogUniform
from ablative.search_spaces.domains import QUniform
from ablative.search_spaces.domains import RandInt
from ablative.search_spaces.space import Space
from ablative.search_spaces.space import draw

if TYPE_CHECKING:
    import numpy as np

SIGNIFICANT_DIGITS = 6
"""Of a proposed real number: enough for any setting, and short enough to be read and typed."""


def initial_settings(
    space: Space, config: Any, *, seeds: Sequence[int], batch: int, size: int
) -> list[dict[str, Any]]:
    """Return `size` settings (dotted path -> value) for batch number `batch`."""
    shares = {path: _shares(path, tuple(seeds), batch, size) for path, _ in space}

    def setting(index: int) -> dict[str, Any]:
        return draw(space, config, lambda path, domain: value_at_share(domain, float(shares[path][index])))

    return [setting(index) for index in range(size)]


def value_at_share(domain: Domain, share: float) -> Any:
    """Return the value below which a share, in [0, 1), of the domain's probability lies."""
    if isinstance(domain, Choice):
        return domain.choice[int(share * len(domain.choice))]
    if isinstance(domain, RandInt):
        return domain.low + int(share * (domain.high - domain.low + 1))
    if isinstance(domain, LogRandInt):
        return min(int(_between(math.log(domain.low), math.log(domain.high + 1), share, exp=True)), domain.high)
    if isinstance(domain, QUniform):
        return domain.at(int(share * (domain.steps + 1)))
    if isinstance(domain, LogUniform):
        value = _between(math.log(domain.low), math.log(domain.high), share, exp=True)
        return rounded(value, domain.low, domain.high)
    return rounded(_between(domain.low, domain.high, share), domain.low, domain.high)


def rounded(value: float, low: float, high: float) -> float:
    """Return `value` to six significant digits, within [low, high]."""
    return min(max(float(f"{value:.{SIGNIFICANT_DIGITS}g}"), low), high)


@cache
def _shares(path: str, seeds: tuple[int, ...], batch: int, size: int) -> np.ndarray:
    """Return `size` shares in [0, 1), shape (size,): one in each of as many equal strata, in random order."""
    import numpy as np  # not at import: checking a study draws nothing

    seed = int(content_hash(["initial settings", path, list(seeds), batch]), 16)
    rng = np.random.default_rng(seed)
    return (rng.permutation(size) + rng.random(size)) / size


def _between(low: float, high: float, share: float, *, exp: bool = False) -> float:
    value = low + share * (high - low)
    return math.exp(value) if exp else value
