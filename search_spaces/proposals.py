"""Proposals: a batch of settings as a pure function of a cell's search space and its earlier results.

A sampler is one entry of the table at the end: what a study calls it, what it needs, and its function.

The first settings are spread over the space, the same for all arms (`search_spaces.initial_settings`). Then
Optuna is asked, through its public ask and tell only, on a study that lives for one batch and is rebuilt from the
results: there is no sampler state to store, and timing changes nothing.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal
from typing import TypeAlias

from ablative.search_spaces.content_hash import content_hash
from ablative.search_spaces.domains import Choice
from ablative.search_spaces.domains import Domain
from ablative.search_spaces.domains import LogRandInt
from ablative.search_spaces.domains import LogUniform
from ablative.search_spaces.domains import QUniform
from ablative.search_spaces.domains import RandInt
from ablative.search_spaces.initial_settings import initial_settings
from ablative.search_spaces.initial_settings import rounded
from ablative.search_spaces.space import Space
from ablative.search_spaces.space import draw
from ablative.search_spaces.space import grid

if TYPE_CHECKING:
    import optuna

INITIAL_TRIALS = 10
"""Settings of a cell before TPE has enough to learn from (Optuna's own default)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One proposed setting and its result."""

    parameters: dict[str, Any]
    value: float | None
    """Mean target over the search seeds of a completed setting; None otherwise."""
    state: Literal["completed", "stopped", "failed", "unfinished"] = "completed"
    intermediate: tuple[tuple[int, float], ...] = ()
    """(evaluation, best target so far) of a setting that a rule has stopped."""
    cost: float = 0.0
    """In units of the target; where both are optimised, in its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposer:
    """Proposes the settings of one cell."""

    space: Space
    config: Any
    sampler: str
    """Of `SAMPLERS`."""
    mode: Literal["max", "min"]
    trades: bool = False
    """Whether the cost is a second target and not subtracted from the first."""
    seeds: tuple[int, ...]
    """The search seeds; with the index of the batch they seed all draws, so that cells start alike."""

    def propose(
        self, batch: int, size: int, earlier: Sequence[Setting], warm: Sequence[Setting] = ()
    ) -> list[dict[str, Any]]:
        """Return `size` settings (dotted path -> value) for batch number `batch`, given all earlier settings.

        A grid that comes to its end gives fewer. `warm`: completed settings of another study to learn from; those
        that do not fit this space are left out.
        """
        return SAMPLERS[self.sampler].propose(self, batch, size, earlier, warm)

    def grid(self, batch: int, size: int, earlier: Sequence[Setting], warm: Sequence[Setting]) -> list[dict[str, Any]]:
        """Return the next settings of the grid, in its order."""
        return grid(self.space, self.config)[batch * size : (batch + 1) * size]

    def spread(
        self, batch: int, size: int, earlier: Sequence[Setting], warm: Sequence[Setting]
    ) -> list[dict[str, Any]]:
        """Return settings spread over the space; earlier results are ignored."""
        return initial_settings(self.space, self.config, seeds=self.seeds, batch=batch, size=size)

    def tpe(self, batch: int, size: int, earlier: Sequence[Setting], warm: Sequence[Setting]) -> list[dict[str, Any]]:
        """Ask the tree-structured Parzen estimator, once there is enough to learn from."""
        warm = [setting for setting in warm if self._is_possible(setting)]
        if len(warm) + len(earlier) < INITIAL_TRIALS:
            return self.spread(batch, size, earlier, warm)
        import optuna  # a second of imports, which a short search does not need

        conditional = any(domain.when for _, domain in self.space)
        with _silent():
            sampler = optuna.samplers.TPESampler(
                seed=self._seed(batch), multivariate=True, constant_liar=True, group=conditional
            )
            asked = self._study(sampler, [*warm, *earlier])
            return [self._ask(asked.ask()) for _ in range(size)]

    def _is_possible(self, setting: Setting) -> bool:
        """Return whether a setting fits this space."""
        given = setting.parameters
        active = draw(self.space, self.config, lambda path, domain: given.get(path))
        return active == given and all(domain.contains(given[path]) for path, domain in self.space if path in given)

    def _study(self, sampler: optuna.samplers.BaseSampler, settings: Sequence[Setting]) -> optuna.Study:
        import optuna

        target: Literal["maximize", "minimize"] = "maximize" if self.mode == "max" else "minimize"
        study = optuna.create_study(sampler=sampler, directions=[target, "minimize"] if self.trades else [target])
        for setting in settings:
            study.add_trial(told(setting, self.space, self.targets(setting)))
        return study

    def targets(self, setting: Setting) -> list[float]:
        """Return the values to optimise: the target minus its cost, or both; none unless the setting is completed."""
        if setting.state != "completed" or setting.value is None:
            return []
        if self.trades:
            return [setting.value, setting.cost]
        return [setting.value - setting.cost if self.mode == "max" else setting.value + setting.cost]

    def cmaes(
        self, batch: int, size: int, earlier: Sequence[Setting], warm: Sequence[Setting]
    ) -> list[dict[str, Any]]:
        """Return the next settings of CMA-ES, whose state is rebuilt by replaying all earlier settings.

        It starts from the distribution that the initial settings suggest (Nomura et al. 2021).
        """
        warm = [setting for setting in warm if self._is_possible(setting)]
        if len(warm) + len(earlier) < INITIAL_TRIALS:
            return self.spread(batch, size, earlier, warm)
        with _silent():
            return self._replayed(size, earlier, warm)

    def _replayed(self, size: int, earlier: Sequence[Setting], warm: Sequence[Setting]) -> list[dict[str, Any]]:
        import optuna

        num_initial = 0 if len(warm) >= INITIAL_TRIALS else -(-(INITIAL_TRIALS - len(warm)) // size) * size
        first = [*warm, *earlier[:num_initial]]
        source = [
            told(setting, self.space, self.targets(setting)) for setting in first if setting.state == "completed"
        ]
        enough = len(source) >= INITIAL_TRIALS  # it looks at the best tenth
        sampler = optuna.samplers.CmaEsSampler(seed=self._seed("cmaes"), source_trials=source if enough else None)
        study = self._study(sampler, first)
        rest = earlier[num_initial:]
        for start in range(0, len(rest), size):
            asked = [study.ask() for _ in rest[start : start + size]]
            for trial, setting in zip(asked, rest[start : start + size], strict=True):
                self._ask(trial)
                _tell(study, trial, setting, self.targets(setting))
        return [self._ask(study.ask()) for _ in range(size)]

    def _seed(self, *content: object) -> int:
        return int(content_hash(["proposals", list(self.seeds), *content])[:8], 16)

    def _ask(self, trial: optuna.Trial) -> dict[str, Any]:
        return draw(self.space, self.config, lambda path, domain: _suggested(trial, path, domain))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampler:
    """One way to propose settings."""

    name: str
    description: str
    propose: Callable[[Proposer, int, int, Sequence[Setting], Sequence[Setting]], list[dict[str, Any]]]
    """(Proposer, batch, size, earlier settings, warm ones) -> settings; see `Proposer.propose`."""
    ends: bool = False
    """Whether the sampler visits every setting once, which needs a finite space and enough `trials`."""
    one_target: bool = False
    """Whether the sampler optimises one target only, so a cost needs a weight."""
    unsuited: Callable[[Space], str | None] = lambda space: None
    """Space of a cell, not empty -> why the sampler cannot search it ("x is searched"); None if it can."""
    needs: str = ""
    """What the sampler needs, in words, if `unsuited` may object."""


def _unsuited_for_cmaes(space: Space) -> str | None:
    unsuited = [path for path, domain in space if isinstance(domain, Choice) or domain.when]
    if unsuited:
        return f"{unsuited[0]} is searched"
    return f"only {space[0][0]} is searched" if len(space) < 2 else None


SAMPLERS = {
    sampler.name: sampler
    for sampler in (
        Sampler(
            name="tpe",
            description="Optuna's tree-structured Parzen estimator; the first settings are spread over the space.",
            propose=Proposer.tpe,
        ),
        Sampler(
            name="random",
            description="Settings spread over the space; earlier results are ignored.",
            propose=Proposer.spread,
        ),
        Sampler(
            name="cmaes",
            description="Optuna's CMA-ES; needs at least two numbers, and neither `choice` nor `when`.",
            propose=Proposer.cmaes,
            one_target=True,
            unsuited=_unsuited_for_cmaes,
            needs="at least two searched numbers in every cell, and neither choice nor when",
        ),
        Sampler(
            name="grid",
            description="Every combination of the domains, which must be finite.",
            propose=Proposer.grid,
            ends=True,
        ),
    )
}
"""What `search.sampler` may name."""

if TYPE_CHECKING:
    SamplerName: TypeAlias = str
else:
    SamplerName = Literal[tuple(SAMPLERS)]


@contextmanager
def _silent() -> Iterator[None]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


def distribution(domain: Domain) -> optuna.distributions.BaseDistribution:
    """Return Optuna's distribution for a domain; a choice is one of its indices, so that any value can be one."""
    from optuna import distributions

    if isinstance(domain, Choice):
        return distributions.CategoricalDistribution(range(len(domain.choice)))
    if isinstance(domain, (RandInt, LogRandInt)):
        return distributions.IntDistribution(domain.low, domain.high, log=isinstance(domain, LogRandInt))
    if isinstance(domain, QUniform):
        return distributions.FloatDistribution(domain.low, domain.high, step=domain.step)
    return distributions.FloatDistribution(domain.low, domain.high, log=isinstance(domain, LogUniform))


def _suggested(trial: optuna.Trial, path: str, domain: Domain) -> Any:
    if isinstance(domain, Choice):
        return domain.choice[trial.suggest_categorical(path, range(len(domain.choice)))]
    if isinstance(domain, (RandInt, LogRandInt)):
        return trial.suggest_int(path, domain.low, domain.high, log=isinstance(domain, LogRandInt))
    if isinstance(domain, QUniform):
        return domain.nearest(trial.suggest_float(path, domain.low, domain.high, step=domain.step))
    value = trial.suggest_float(path, domain.low, domain.high, log=isinstance(domain, LogUniform))
    return rounded(value, domain.low, domain.high)


def _to_optuna(value: Any, domain: Domain) -> Any:
    return domain.choice.index(value) if isinstance(domain, Choice) else value


def told(setting: Setting, space: Space, values: Sequence[float]) -> optuna.trial.FrozenTrial:
    """Return a setting as Optuna is told of it: complete with `values`, pruned with its curve so far, or failed."""
    from optuna.trial import create_trial

    domains = {path: domain for path, domain in space if path in setting.parameters}
    return create_trial(
        state=_state(setting),
        values=list(values) or None,
        params={path: _to_optuna(setting.parameters[path], domain) for path, domain in domains.items()},
        distributions={path: distribution(domain) for path, domain in domains.items()},
        intermediate_values=dict(setting.intermediate),
    )


def _tell(study: optuna.Study, trial: optuna.Trial, setting: Setting, values: Sequence[float]) -> None:
    for evaluation, value in setting.intermediate:
        trial.report(value, evaluation)
    study.tell(trial, list(values) or None, state=_state(setting))


def _state(setting: Setting) -> optuna.trial.TrialState:
    from optuna.trial import TrialState

    states = {"completed": TrialState.COMPLETE, "stopped": TrialState.PRUNED}
    return states.get(setting.state, TrialState.FAIL)
