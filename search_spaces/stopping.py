"""Stopping rules: pure functions of the curves of one cell's trials, and the table of those that a study may name.

A rule is one entry of that table: its name, what a study sets of it, and its functions.

A curve here is the target on val at each evaluation so far. A trial is judged by its best value up to an evaluation,
because the weights that are best on val are those that it keeps.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import median
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal
from typing import Self
from typing import TypeAlias

from pydantic import Field
from pydantic import create_model
from pydantic import model_validator
from pydantic_core import PydanticCustomError

from ablative.frozen import Frozen
from ablative.search_spaces.scalars import Whole

Mode = Literal["max", "min"]
Curve = tuple[float, ...]
"""Best target on val up to each evaluation, the first evaluation first."""


class RuleSettings(Frozen):
    """What a study sets for a rule."""

    grace: Whole = Field(1, ge=1, le=1000, description="First evaluation at which a trial may be stopped.")


class Halving(RuleSettings):
    """Keep only the best settings of a batch at each rung (successive halving, Jamieson and Talwalkar 2016)."""

    grace: Whole = Field(1, ge=1, le=1000, description="Evaluation of the first rung.")
    reduction: Whole = Field(
        3,
        ge=2,
        le=1000,
        description="One setting in this many goes on at a rung; each rung is this many times "
        "later than the one before.",
    )


class Median(RuleSettings):
    """Stop trials that are worse than the median of the cell's earlier batches (Golovin et al. 2017)."""

    least: Whole = Field(
        3, ge=1, le=10_000, description="Number of completed settings from earlier batches that the rule needs."
    )


def best_so_far(values: Sequence[float], mode: Mode) -> Curve:
    """Return the best of `values` up to each of them; values that are not numbers never count as best."""
    better = max if mode == "max" else min
    worst = float("-inf") if mode == "max" else float("inf")
    return tuple(accumulate((worst if value != value else value for value in values), better))


def rungs(halving: Halving, evaluations: int) -> tuple[int, ...]:
    """Return the evaluations, counted from 1, at which trials are compared; the last evaluation is none of them."""
    found = []
    rung = halving.grace
    while rung < evaluations:
        found.append(rung)
        rung *= halving.reduction
    return tuple(found)


def promoted(values: Mapping[int, float], reduction: int, mode: Mode) -> frozenset[int]:
    """Return which settings (number -> value at the rung) go on: the best one in `reduction`, at least one.

    Of equals the earlier setting goes on.
    """
    sign = -1.0 if mode == "max" else 1.0
    ranked = sorted(values, key=lambda number: (sign * values[number], number))
    return frozenset(ranked[: max(1, len(ranked) // reduction)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What successive halving says about the settings of one batch."""

    stopped: Mapping[int, int]
    """Setting -> rung at which it is given up."""
    waiting_at: int | None
    """The rung that is not complete; None when all are decided."""
    running: tuple[int, ...]
    """Settings that are to run on: to `waiting_at`, or to their end."""


def halve(curves: Sequence[Curve], failed: Collection[int], halving: Halving, evaluations: int, mode: Mode) -> Verdict:
    """Decide all rungs of a batch that are complete (successive halving, Jamieson and Talwalkar 2016).

    `curves`: one a setting, as long as it has got. `failed`: settings that failed; a setting is left out of the rungs
    it did not reach. What a setting did beyond a rung that it lost changes nothing.
    """
    stopped: dict[int, int] = {}
    alive = set(range(len(curves)))
    for rung in rungs(halving, evaluations):
        alive -= {number for number in failed if len(curves[number]) < rung}
        if any(len(curves[number]) < rung for number in alive):
            return Verdict(stopped=stopped, waiting_at=rung, running=tuple(sorted(alive)))
        if not alive:
            break
        kept = promoted({number: curves[number][rung - 1] for number in alive}, halving.reduction, mode)
        stopped |= dict.fromkeys(alive - kept, rung)
        alive = set(kept)
    return Verdict(stopped=stopped, waiting_at=None, running=tuple(sorted(alive)))


def median_floors(earlier: Sequence[Sequence[float]], rule: Median, evaluations: int) -> tuple[tuple[int, float], ...]:
    """Return (evaluation, value): a trial whose best so far is worse than the value there is stopped.

    The value is the median, over the completed trials of earlier batches, of the mean of their values up to that
    evaluation (median stopping, Golovin et al. 2017). `earlier`: their values as reported, not the best so far.
    Nothing is stopped before `rule.least` trials are there.
    """
    complete = [values for values in earlier if len(values) >= evaluations]
    if len(complete) < rule.least:
        return ()
    return tuple((at, median(sum(values[:at]) / at for values in complete)) for at in range(rule.grace, evaluations))


def falls_behind(value: float, others: Sequence[float], reduction: int, mode: Mode) -> bool:
    """Return whether a trial is stopped at a rung by ASHA (Li et al. 2020): it is not in the best 1/`reduction`.

    `others`: the values of the cell's trials that got to the rung before, in any order. The first one to come goes on.
    """
    sign = 1.0 if mode == "max" else -1.0
    better = sum(sign * other > sign * value for other in others)
    return better >= max(1, (len(others) + 1) // reduction)


def _asynchronous(own: Curve, others: Sequence[Curve], rule: Halving, evaluations: int, mode: Mode) -> bool:
    at = len(own)
    reached = [curve[at - 1] for curve in others if len(curve) >= at]
    return at in rungs(rule, evaluations) and falls_behind(own[-1], reached, rule.reduction, mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppingRule:
    """One rule: what it says where it comes in, None where it does not. `rule` is what the study sets of it."""

    name: str
    """In a study and, as the cause of the trials that it stopped, in their records."""
    description: str
    settings: type[RuleSettings] = RuleSettings
    of_batch: Callable[[Sequence[Curve], Collection[int], Any, int, Mode], Verdict] | None = None
    """(Curves of a batch's settings, those that failed, rule, evaluations, mode) -> which go on, at each rung."""
    floors: Callable[[Sequence[Sequence[float]], Any, int], tuple[tuple[int, float], ...]] | None = None
    """(Values of completed trials, rule, evaluations) -> the floors that trials of the next batch are given."""
    of_running: Callable[[Curve, Sequence[Curve], Any, int, Mode], bool] | None = None
    """(Curve of a running trial, those of the others, rule, evaluations, mode) -> whether it is stopped now.

    Asked at each evaluation: what it says depends on which trial comes first.
    """

    @property
    def observes(self) -> bool:
        """Whether running trials are judged, at each evaluation."""
        return self.of_running is not None

    @property
    def compares_batch(self) -> bool:
        """Whether the settings of a batch are compared with each other."""
        return self.of_batch is not None


NO_RULE = StoppingRule(name="none", description="Nothing is stopped early.")
RULES: Mapping[str, StoppingRule] = {
    rule.name: rule
    for rule in (
        StoppingRule(
            name="halving",
            description="Within a batch, the best settings go on at each rung (successive halving). Reproducible.",
            settings=Halving,
            of_batch=halve,
        ),
        StoppingRule(
            name="median",
            description="A trial stops if it is worse than the median of the cell's earlier batches. Reproducible.",
            settings=Median,
            floors=median_floors,
        ),
        StoppingRule(
            name="asynchronous_halving",
            description="ASHA: the best of the trials that have reached a rung so far go on. Not reproducible.",
            settings=Halving,
            of_running=_asynchronous,
        ),
    )
}


class OneRule(Frozen):
    """The stopping rule of a search: at most one of these."""

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if len(self.model_fields_set) != 1 or None in (getattr(self, name) for name in self.model_fields_set):
            *names, last = RULES
            raise PydanticCustomError("rule", f"one of {', '.join(names)} and {last}")
        return self


if TYPE_CHECKING:
    Stop: TypeAlias = OneRule
else:
    Stop = create_model(
        "Stop",
        __base__=OneRule,
        __module__=__name__,
        __doc__=OneRule.__doc__,
        **{name: (rule.settings | None, Field(None, description=rule.description)) for name, rule in RULES.items()},
    )


def rule_of(stop: Stop | None) -> tuple[StoppingRule, Any]:
    """Return the rule of a study, and what the study sets of it."""
    chosen = [(name, of_study) for name, of_study in stop or () if of_study is not None]
    return (RULES[chosen[0][0]], chosen[0][1]) if chosen else (NO_RULE, None)
