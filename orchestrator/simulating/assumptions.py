"""The assumptions of a simulation: the effect of each arm, and a trainable with these effects."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from ablative.orchestrator.errors import OrchestratorError
from ablative.orchestrator.inputs import Inputs
from ablative.orchestrator.trials import with_parameters
from ablative.search_spaces.arms import Arm
from ablative.search_spaces.arms import build_arms
from ablative.search_spaces.arms import path_arm
from ablative.search_spaces.arms import path_steps
from ablative.search_spaces.configuration import leaves
from ablative.search_spaces.configuration import value_at
from ablative.search_spaces.design import Cell
from ablative.search_spaces.design import cells_of
from ablative.search_spaces.domains import Choice
from ablative.search_spaces.domains import Domain
from ablative.search_spaces.domains import LogRandInt
from ablative.search_spaces.domains import LogUniform
from ablative.search_spaces.initial_settings import value_at_share
from ablative.search_spaces.study import Study
from ablative.trainables.parts.trainable import Trainable
from ablative.trainables.simulated import Level
from ablative.trainables.simulated import Optimum
from ablative.trainables.simulated import SimulatedTrainable

BEST_SHARE = 0.6
"""Place of the best value in a searched domain; off the middle, so that symmetry does not find it."""


MOST_STEPS = 8
"""Most changes of a simulated path, with 256 combinations."""


class AssumptionError(OrchestratorError):
    """An effect that the study does not have, or that contradicts itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """Sizes and standard deviations in units of the target; lengths in seconds."""

    effects: Mapping[str, float]
    """Factor, level or arm -> size; see `arm_sizes`."""
    noise: float = 0.01
    """Standard deviation of a trial's own noise; of a paired difference it is the square root of 2 times that."""
    search_loss: float = 0.02
    """Loss at the worst value of one searched number."""
    seconds: float = 60.0
    """Length of a trial on all the data."""
    uneven: float = 0.2
    """Standard deviation of the logarithm of a trial's length."""


def read_effects(texts: Sequence[str]) -> dict[str, float]:
    """Read `NAME=SIZE`, the last `=` dividing them; raises AssumptionError."""
    effects: dict[str, float] = {}
    for text in texts:
        name, _, size = text.rpartition("=")
        try:
            effects[name] = float(size)
        except ValueError:
            name = ""
        if not name or not math.isfinite(effects[name]):
            raise AssumptionError(f"--effect {text}: wanted NAME=SIZE with a number, e.g. selection=0.02")
    return effects


def arm_sizes(study: Study, inputs: Inputs, effects: Mapping[str, float]) -> dict[str, float]:
    """Return arm -> the amount added to its target: the sum over its factors, its levels and its own name.

    A factor's size is the value of the part: arms `without` it lose the size; arms `with` it, or at a level other than
    the base's, gain it. The size of one level (`without_x`, `with_x`, `x=level`) or of an arm or control is added as
    it stands. Raises AssumptionError for an unknown name.
    """
    base = inputs.base(study)
    arms = (*build_arms(study.arms, base), *_between(study, base))
    labels = {level.label for arm in arms for level in arm.levels}
    known = dict.fromkeys([*study.arms.factors, *sorted(labels), *(arm.name for arm in arms)])
    for name in effects:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise AssumptionError(f"--effect {name}: {hint}study {study.study!r} has {', '.join(known)}")
    return {
        arm.name: math.fsum(_share(study, arm, name, labels) * size for name, size in effects.items()) for arm in arms
    }


def _between(study: Study, base: Any) -> tuple[Arm, ...]:
    """Return the arms that a path may visit, between one change and all of them; none in another design."""
    if study.arms.design != "path":
        return ()
    steps = path_steps(study.arms, base)
    if len(steps) > MOST_STEPS:
        raise AssumptionError(
            f"{study.study}: arms.factors: {len(steps)} changes may be ordered in too many ways to be given sizes; "
            f"simulate at most {MOST_STEPS}"
        )
    names = [step.factor for step in steps]
    taken = (chosen for count in range(2, len(names)) for chosen in combinations(names, count))
    return tuple(path_arm(steps, chosen) for chosen in taken)


def _share(study: Study, arm: Arm, name: str, labels: set[str]) -> float:
    """Return how often, with its sign, the size of `name` is in the target of `arm`."""
    if name in study.arms.factors:
        present = -1.0 if study.arms.factors[name].without is not None else 1.0
        return present * sum(level.factor == name for level in arm.levels)
    if name in labels:
        return float(any(level.label == name for level in arm.levels))
    return float(name == arm.name)


def trainable_for(study: Study, cells: Sequence[Cell], inputs: Inputs, assumed: Assumptions) -> SimulatedTrainable:
    """Return a trainable for which the assumptions hold; raises AssumptionError if they contradict each other.

    Each searched number has its best value at `BEST_SHARE` of its domain, the same for all arms.
    """
    base, trainable = inputs.base(study), inputs.trainable
    cells = (*cells, *cells_of(study, _between(study, base), base, trainable.canonical))
    return SimulatedTrainable(
        roles=trainable.roles,
        levels=_levels(trainable, cells, arm_sizes(study, inputs, assumed.effects), assumed.search_loss),
        optima=(),
        own_sd=assumed.noise,
        shared_sd=2 * assumed.noise,
        curve_sd=assumed.noise,
        seconds=assumed.seconds,
        uneven=assumed.uneven,
        workers=study.resources.most_workers,
    )


def _levels(
    trainable: Trainable, cells: Sequence[Cell], sizes: Mapping[str, float], search_loss: float
) -> tuple[Level, ...]:
    """Return a level for each cell, the most specific first: a setting that equals another arm's is that arm's."""
    fixed = [_fixed(trainable, cell) for cell in cells]
    telling = [
        path for path in leaves(type(cells[0].config)) if len({repr(values.get(path, ...)) for values in fixed}) > 1
    ]
    found: dict[tuple[tuple[str, Any], ...], tuple[Cell, Level]] = {}
    for cell, values in zip(cells, fixed, strict=True):
        where = tuple((path, values[path]) for path in telling if path in values)
        level = Level(where=where, size=sizes[cell.arm], optima=_optima(cell, search_loss))
        other, same = found.setdefault(where, (cell, level))
        if same.size != level.size:
            raise AssumptionError(
                f"{other.name} and {cell.name} are the same computation, but their effects differ: "
                f"{same.size:g} and {level.size:g}"
            )
    return tuple(sorted((level for _, level in found.values()), key=lambda level: -len(level.where)))


def _fixed(trainable: Trainable, cell: Cell) -> dict[str, Any]:
    """Return the fields that are the same in all trials of a cell, as far as its domains' extremes show it."""
    settings = [{}, *({path: value} for path, domain in cell.space for value in domain.probes())]
    configs = [with_parameters(trainable, cell.config, setting) for setting in settings]
    return {
        path: value_at(configs[0], path)
        for path in leaves(type(cell.config))
        if len({repr(value_at(config, path)) for config in configs}) == 1
    }


def _optima(cell: Cell, loss: float) -> tuple[Optimum, ...]:
    return tuple(_optimum(path, domain, loss) for path, domain in cell.space if not isinstance(domain, Choice))


def _optimum(path: str, domain: Domain, loss: float) -> Optimum:
    assert not isinstance(domain, Choice)
    best = float(value_at_share(domain, BEST_SHARE))
    if isinstance(domain, LogUniform | LogRandInt):
        width = max(math.log10(domain.high / best), math.log10(best / domain.low))
        return Optimum(path=path, best=best, loss=loss, width=width, scale="log")
    return Optimum(path=path, best=best, loss=loss, width=max(domain.high - best, best - domain.low), scale="linear")
