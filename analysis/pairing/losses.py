"""Lost pairs, and how large their differences may have been."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

from ablative.analysis.pairing.observations import Observations
from ablative.analysis.pairing.observations import Place

Block = tuple[str, int]
"""(Task, seed)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LostPair:
    """A pair that will never be complete, because one of its trials ended without a value."""

    block: Block
    known: float
    """Its difference, as far as the trials with a value determine it."""
    most: float
    """Greatest distance of the unknown part from zero, in either direction."""
    weight: float = 1.0
    """What it would have counted among the pairs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """The losses in one metric."""

    seeds: Mapping[Place, frozenset[int]]
    """Place -> seeds whose trials ended without a value; places without losses are left out."""
    spreads: Mapping[str, float]
    """Condition -> the greatest difference of two arms under one seed; empty if nothing is lost."""

    def lost(self, places: Sequence[Place], seed: int) -> bool:
        """Return whether a trial of one of `places` ended without a value under `seed`."""
        return any(seed in self.seeds.get(place, ()) for place in places)

    def spread(self, condition: str) -> float:
        """Return the greatest distance between trials of one seed.

        For a condition without two arms, that of any other.
        """
        return self.spreads.get(condition, max(self.spreads.values(), default=0.0))


NOTHING_LOST = Losses(seeds={}, spreads={})


def losses_of(observations: Observations, metric: str, arms: Sequence[str], conditions: Sequence[str]) -> Losses:
    """Return the losses in `metric` among the confirm trials of `arms` under `conditions`."""
    places = [(arm, label) for label in conditions for arm in arms]
    seeds = {place: lost for place in places if (lost := observations.lost(metric, place))}
    if not seeds:
        return NOTHING_LOST
    spreads = {}
    for label in conditions:
        of_seed: dict[int, list[float]] = {}
        for arm in arms:
            for seed, value in observations.of(metric, (arm, label)).items():
                of_seed.setdefault(seed, []).append(value)
        apart = [max(values) - min(values) for values in of_seed.values() if len(values) > 1]
        if apart:
            spreads[label] = max(apart)
    return Losses(seeds=seeds, spreads=spreads)
