"""The effect of a search's luck on comparisons: how often a study without any true effect has false positives.

Confirm seeds retrain the setting that a search found. Which setting it found depends on the noise of the search's own
trials. All confirm seeds of a cell share that luck: it shifts their mean and does not show in their scatter. So
intervals are too narrow, and more confirm seeds make this worse.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from functools import cache
from random import Random
from statistics import NormalDist
from statistics import fmean
from statistics import pvariance
from statistics import variance
from typing import Literal
from typing import Protocol

from ablative.search_spaces.spending import Correction
from ablative.search_spaces.spending import Method
from ablative.search_spaces.spending import in_force
from ablative.search_spaces.spending import pairs_needed

_NORMAL = NormalDist()
SPREAD = 1.0
"""Assumed variance between the tried settings, in units of a trial's own noise, if no record shows it.

The value matters little: settings far apart are not confused, and between close settings the choice is unimportant.
"""
MOST = 64
"""Most settings in the estimate of the luck; more would change it little."""
FEWEST = 6
"""Fewest settings, and fewest paired differences, for an estimate of the two variances."""
TOLERATED = 0.02
"""How far the risk may exceed alpha before a remedy is named; the estimate is not more precise."""
Kind = Literal["single", "repeated", "nested", "shared"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchDesign:
    """The design on which the risk depends."""

    kind: Kind
    settings: int
    """Tried by each search."""
    search_seeds: int
    """That each setting is run with."""
    searches: int
    """Of each cell."""
    seeds: int
    """Confirm seeds."""
    tasks: int
    comparisons: int
    """Corrected together."""
    cells: int
    """That are searched."""
    alpha: float = 0.05
    correction: Method = "holm"

    @property
    def trials(self) -> int:
        """Trials of all searched cells."""
        tried = self.settings * self.search_seeds * self.searches
        return self.cells * (tried + (0 if self.kind == "nested" else self.seeds))

    @property
    def holds(self) -> bool:
        """Whether the error rate holds: no luck is shared by several seeds of one arm but not by the other arms.

        Arms that share a setting also share its luck, if they respond to it alike.
        """
        return self.kind in ("nested", "shared") or self.settings < 2

    def nested(self) -> SearchDesign:
        """The same study with nested seeds."""
        return replace(self, kind="nested", search_seeds=1, searches=self.seeds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scatter:
    """How much results vary between settings and between seeds."""

    luck: float
    """Variance, over the noise of the search, of the true value of the setting found; in units of the variance of a
    trial's own noise."""
    cells: int = 0
    """Searches that it was measured on; 0 where it is assumed."""


class _Searched(Protocol):
    @property
    def trials(self) -> int: ...
    @property
    def repeats(self) -> int: ...
    @property
    def shared(self) -> bool: ...


class _Seeded(Protocol):
    @property
    def search(self) -> Sequence[int]: ...
    @property
    def confirm(self) -> Sequence[int]: ...
    @property
    def nested(self) -> bool: ...


class _Compared(Protocol):
    @property
    def alpha(self) -> float: ...
    @property
    def correction(self) -> Correction: ...


class Declared(Protocol):
    """The settings of a study on which the risk depends, from its file or its store."""

    @property
    def search(self) -> _Searched: ...
    @property
    def seeds(self) -> _Seeded: ...
    @property
    def comparisons(self) -> _Compared: ...


def search_design(study: Declared, *, arms: int, tasks: int, searched: int) -> SearchDesign | None:
    """The design of a study's risk, given the number of `searched` cells; None if nothing is left to luck."""
    search, nested, repeats = study.search, study.seeds.nested, study.search.repeats
    if not searched or search.trials < 2 or arms < 2:
        return None
    kind: Kind = "nested" if nested else "shared" if search.shared else "repeated" if repeats > 1 else "single"
    seeds, compared = len(study.seeds.confirm), study.comparisons
    return SearchDesign(
        kind=kind,
        settings=search.trials,
        search_seeds=1 if nested else len(study.seeds.search) // repeats,
        searches=seeds if nested else repeats,
        seeds=seeds,
        tasks=tasks,
        comparisons=arms - 1,
        cells=searched,
        alpha=compared.alpha,
        correction=in_force(compared.correction, comparisons=arms - 1, pairs=tasks * seeds, alpha=compared.alpha),
    )


def assumed(design: SearchDesign) -> Scatter:
    """The scatter to assume when there are no records to measure it."""
    return Scatter(luck=_assumed_luck(design.settings, design.search_seeds))


def measured(
    searches: Sequence[Sequence[float]], confirmed: Mapping[str, Mapping[str, Mapping[int, float]]], search_seeds: int
) -> Scatter | None:
    """The measured scatter; None if there are too few records.

    `searches`: of each cell, the target of each setting tried, a mean over so many `search_seeds`. `confirmed`:
    condition -> arm -> confirm seed -> target of the confirm trial.

    A trial's own noise comes from paired differences. Any further scatter between settings is taken as true. The
    searches are then repeated many times with new noise.
    """
    noise = own_variance(confirmed)
    found = [values for values in searches if len(values) > 1]
    if not noise or sum(map(len, found)) < FEWEST:
        return None
    true = without_noise(found, noise / search_seeds)
    luck = fmean(_luck(values, math.sqrt(noise / search_seeds), Random(0)) for values in true)
    return Scatter(luck=luck / noise, cells=len(found))


def without_noise(searches: Sequence[Sequence[float]], noise: float) -> list[list[float]]:
    """The values of each search's settings, drawn together by what noise of this variance adds to their scatter."""
    freedom = sum(len(values) - 1 for values in searches if values)
    squares = math.fsum(pvariance(values) * len(values) for values in searches if values)
    share = math.sqrt(max(0.0, 1 - noise * freedom / squares)) if squares else 0.0
    return [[fmean(values) + share * (value - fmean(values)) for value in values] for values in searches]


def risk(design: SearchDesign, scatter: Scatter) -> float:
    """Chance that a study without any true effect has a false positive: a normal approximation, for t-tests.

    The mean over N = tasks times seeds blocks has the variance 1 / N + luck / (tasks searches), in units of a trial's
    own noise; the blocks show E[s^2] / N of it. Their ratio widens t, whose degrees of freedom are Satterthwaite's.
    Comparisons share their reference arm: its value is integrated out. `benchmarks/search_luck.py` holds this to
    simulated studies.
    """
    blocks, luck = design.tasks * design.seeds, 0.0 if design.holds else scatter.luck
    if blocks < pairs_needed(design.comparisons, design.alpha, design.correction):
        return 0.0
    groups, size = design.tasks * design.searches, design.seeds / design.searches
    between, within = (1 + size * luck) * (groups - 1), blocks - groups
    seen = (between + within) / (blocks - 1)
    freedom = (between + within) ** 2 / ((1 + size * luck) ** 2 * (groups - 1) + within)
    widened = math.sqrt((1 + size * luck) / seen)
    critical = _t_of_score(_critical(design), blocks - 1)
    return _any_beyond(_score_of_t(critical / widened, freedom), design.comparisons)


def risk_line(design: SearchDesign, scatter: Scatter) -> str:
    """One line on the luck of the search, with a remedy if the error rate is above alpha."""
    share = risk(design, scatter)
    if blocks_short(design):
        return ""
    known = f"measured on {scatter.cells} searches" if scatter.cells else "assuming usual searches"
    told = f"{_searched(design)}, about {_percent(share)} of null studies like this have a false positive"
    if share <= design.alpha + TOLERATED:
        return f"{told}." if design.holds else f"{told} ({known})."
    nested = design.nested()
    remedy = f"`seeds.nested` holds the rate at the cost of {nested.trials} trials instead of {design.trials}"
    return (
        f"{told}; {_percent(design.alpha)} is intended ({known}). {remedy}; `search.shared` (equal, not tuned) at "
        "no extra cost."
    )


def blocks_short(design: SearchDesign) -> bool:
    """Whether there are too few blocks for any comparison to reach significance."""
    return design.tasks * design.seeds < pairs_needed(design.comparisons, design.alpha, design.correction)


def _searched(design: SearchDesign) -> str:
    if design.kind == "nested":
        return "With a search for each seed"
    if design.kind == "shared":
        return "With one setting for all arms, if they respond to it alike"
    seeds = f"{design.search_seeds} search seed{'s' if design.search_seeds > 1 else ''}"
    return f"With {design.searches} searches of {seeds}" if design.searches > 1 else f"With {seeds}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def own_variance(confirmed: Mapping[str, Mapping[str, Mapping[int, float]]]) -> float | None:
    """The variance of a trial's own noise: half of that of paired differences; None where there are too few."""
    total, freedom = 0.0, 0
    for arms in confirmed.values():
        first, *others = arms.values() or [{}]
        for other in others:
            differences = [value - first[seed] for seed, value in other.items() if seed in first]
            if len(differences) > 1:
                total += variance(differences) * (len(differences) - 1)
                freedom += len(differences) - 1
    return total / freedom / 2 if freedom >= FEWEST and total else None


@cache
def _assumed_luck(settings: int, search_seeds: int) -> float:
    """The variance of the setting found, if the settings' true values are normal with variance `SPREAD`."""
    rng, tried = Random(settings), min(settings, MOST)
    curves = ([rng.gauss(0, math.sqrt(SPREAD)) for _ in range(tried)] for _ in range(max(40, 400 // tried)))
    return fmean(_luck(values, 1 / math.sqrt(search_seeds), rng) for values in curves)


def _luck(values: Sequence[float], noise: float, rng: Random, draws: int = 60) -> float:
    """The variance of the value of the setting that looks best under normal noise."""
    places = range(len(values))
    found = [
        values[max(places, key=[value + rng.gauss(0, noise) for value in values].__getitem__)] for _ in range(draws)
    ]
    return variance(found)


def _critical(design: SearchDesign) -> float:
    """The normal score that a comparison must pass to be the first to reach significance."""
    if design.correction != "max_t":
        share = 1 if design.correction == "none" else design.comparisons
        return -_NORMAL.inv_cdf(design.alpha / share / 2)
    low, high = 0.0, 10.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if _any_beyond(middle, design.comparisons) > design.alpha else (low, middle)
    return high


def _any_beyond(score: float, comparisons: int) -> float:
    """Chance that any of so many normal scores that share a reference lies beyond `score` on either side."""
    steps = [-6 + 0.1 * step for step in range(121)]
    inside = (
        _NORMAL.pdf(z)
        * (_NORMAL.cdf(math.sqrt(2) * score - z) - _NORMAL.cdf(-math.sqrt(2) * score - z)) ** comparisons
        for z in steps
    )
    return min(1.0, max(0.0, 1 - 0.1 * math.fsum(inside)))


def _score_of_t(t: float, freedom: float) -> float:
    """The normal score of a value of Student's t (Wallace 1959)."""
    return math.sqrt(freedom * math.log1p(t * t / freedom)) * (8 * freedom + 1) / (8 * freedom + 3)


def _t_of_score(score: float, freedom: float) -> float:
    exponent = (score * (8 * freedom + 3) / (8 * freedom + 1)) ** 2 / freedom
    return math.sqrt(freedom * math.expm1(exponent))
