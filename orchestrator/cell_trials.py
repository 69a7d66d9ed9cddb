"""The trials of one cell, as far as the records so far decide them: search in batches, then the confirm seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from typing import Literal

from orchestrator.inputs import Inputs
from orchestrator.inputs import evaluated
from orchestrator.proposals import Proposer
from orchestrator.proposals import Setting
from orchestrator.records import Record
from orchestrator.trials import Phase
from orchestrator.trials import Trial
from orchestrator.trials import content_hash
from orchestrator.trials import trial_id
from orchestrator.trials import with_parameters
from search_spaces.design import Cell
from search_spaces.study import Study
from trainables.config import TrialConfig

State = Literal["search", "confirm", "done", "failed"]
Known = Mapping[str, Record]
"""Trial id -> record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """One setting of the search, with a trial for each search seed."""

    parameters: dict[str, Any]
    trials: tuple[Trial, ...]


class CellTrials:
    """What one cell has to run. `advance` is the only method that changes it."""

    def __init__(self, study: Study, cell: Cell, inputs: Inputs, earlier: Iterable[Record]) -> None:
        """`earlier` holds the study's records: settings that were run are taken from them, not proposed again."""
        self.cell = cell
        self.proposed: list[Proposed] = []
        self.confirm: tuple[Trial, ...] = ()
        self.state: State = "search"
        self._study = study
        self._inputs = inputs
        self.config = TrialConfig.model_validate(cell.config)
        self.id = cell_id(study, cell)
        self._settled = {
            (record.proposal, record.seed): record
            for record in earlier
            if record.cell_id == self.id and record.phase == "search"
        }

    @property
    def budget(self) -> int:
        """Settings that the search tries; a cell with nothing to search has none."""
        return self._study.search.trials if self.cell.space else 0

    @property
    def trials(self) -> list[Trial]:
        """All trials known so far, search first; one that was proposed twice occurs twice."""
        return [trial for setting in self.proposed for trial in setting.trials] + list(self.confirm)

    @property
    def undecided_search(self) -> int:
        """Search trials that are planned but whose settings wait for results."""
        settings = self.budget - len(self.proposed) if self.state == "search" else 0
        return settings * len(self._study.seeds.search)

    @property
    def undecided_confirm(self) -> int:
        """Confirm trials whose setting waits for the search."""
        return len(self._study.seeds.confirm) if self.state == "search" else 0

    def advance(self, known: Known) -> list[Trial]:
        """Return the trials that `known` newly decides: the next batch, or the confirm trials."""
        if self.state == "search" and all(trial.id in known for trial in self.trials):
            return self._next_batch(known) if len(self.proposed) < self.budget else self._start_confirm(known)
        if self.state == "confirm" and all(trial.id in known for trial in self.confirm):
            self.state = "done"
        return []

    def best(self, known: Known) -> Setting | None:
        """Return the setting with the best mean target, the earliest of equals; None if none is complete."""
        values = [self._setting(proposed, known) for proposed in self.proposed]
        complete = [setting for setting in values if setting.value is not None]
        sign = -1.0 if self._study.target.mode == "max" else 1.0
        return min(complete, key=lambda setting: sign * (setting.value or 0.0), default=None)

    def _next_batch(self, known: Known) -> list[Trial]:
        search, start = self._study.search, len(self.proposed)
        earlier = [self._setting(proposed, known) for proposed in self.proposed]
        settings = self._batch(start // search.batch, earlier)[: self.budget - start]
        self.proposed += [self._propose(start + index, setting) for index, setting in enumerate(settings)]
        return [trial for proposed in self.proposed[start:] for trial in proposed.trials]

    def _batch(self, batch: int, earlier: list[Setting]) -> list[dict[str, Any]]:
        """Return a whole batch: the recorded settings, and those of the proposer where one is not recorded."""
        size = self._study.search.batch
        recorded = [self._recorded(batch * size + index) for index in range(size)]
        wanted = min(size, self.budget - batch * size)
        if all(parameters is not None for parameters in recorded[:wanted]):
            return [parameters for parameters in recorded[:wanted] if parameters is not None]
        proposed = self._proposer().propose(batch, size, earlier)
        return [kept if kept is not None else new for kept, new in zip(recorded, proposed, strict=True)]

    def _recorded(self, proposal: int) -> dict[str, Any] | None:
        """Return the recorded setting number `proposal`, if it was run on the data and teacher that are here now."""
        for seed in self._study.seeds.search:
            record = self._settled.get((proposal, seed))
            if record is None:
                continue
            parameters = record.parameter_values()
            if self._trial("search", proposal, seed, parameters).id == record.trial_id:
                return parameters
        return None

    def _proposer(self) -> Proposer:
        return Proposer(
            space=self.cell.space,
            config=self.config,
            sampler=self._study.search.sampler,
            mode=self._study.target.mode,
            seeds=self._study.seeds.search,
        )

    def _propose(self, proposal: int, parameters: dict[str, Any]) -> Proposed:
        trials = tuple(self._trial("search", proposal, seed, parameters) for seed in self._study.seeds.search)
        return Proposed(parameters=parameters, trials=trials)

    def _start_confirm(self, known: Known) -> list[Trial]:
        best = self.best(known) if self.budget else Setting(parameters={}, value=None)
        if best is None:
            self.state = "failed"
            return []
        self.state = "confirm"
        seeds = self._study.seeds.confirm
        self.confirm = tuple(self._trial("confirm", None, seed, best.parameters) for seed in seeds)
        return list(self.confirm)

    def _setting(self, proposed: Proposed, known: Known) -> Setting:
        values = [target_value(known.get(trial.id), self._study.target.metric) for trial in proposed.trials]
        found = [value for value in values if value is not None]
        mean = math.fsum(found) / len(found) if len(found) == len(values) else None
        return Setting(parameters=proposed.parameters, value=mean)

    def _trial(self, phase: Phase, proposal: int | None, seed: int, parameters: dict[str, Any]) -> Trial:
        config = with_parameters(self.config, parameters)
        evaluate = self._evaluate(phase, config)
        data, teacher, student = self._inputs.digests(config)
        return Trial(
            id=trial_id(config, seed, evaluate, data, teacher, student),
            study=self._study.study,
            cell=self.cell.name,
            cell_id=self.id,
            arm=self.cell.arm,
            is_reference=self.cell.is_reference,
            is_control=self.cell.is_control,
            condition=self.cell.condition,
            phase=phase,
            proposal=proposal,
            seed=seed,
            config=config,
            parameters=parameters,
            evaluate=evaluate,
            data_digest=data,
            teacher_digest=teacher,
            student_digest=student,
        )

    def _evaluate(self, phase: Phase, config: TrialConfig) -> tuple[str, ...]:
        if phase == "search":
            return (target_split(self._study),)
        return evaluated(self._study.evaluate, self._inputs.splits(config))


def cell_id(study: Study, cell: Cell) -> str:
    """Return the identity of a cell's search: what its proposals are a function of, but for results.

    The number of trials is left out: a longer search continues a shorter one.
    """
    return content_hash(
        {
            # Not canonical: a searched parameter may give meaning to a field that has none yet.
            "config": cell.config.model_dump(mode="json", exclude_defaults=True),
            "space": [[path, domain.model_dump(mode="json")] for path, domain in cell.space],
            "sampler": study.search.sampler,
            "batch": study.search.batch,
            "seeds": list(study.seeds.search),
            "target": study.target.model_dump(mode="json"),
            "evaluate": [target_split(study)],
        }
    )


def target_split(study: Study) -> str:
    """Return the split that search is judged on."""
    return study.target.metric.split("/", 1)[0]


def target_value(record: Record | None, metric: str) -> float | None:
    """Return the finite target of a completed record, otherwise None."""
    value = record.metrics.get(metric) if record is not None and record.completed else None
    return value if value is not None and math.isfinite(value) else None
