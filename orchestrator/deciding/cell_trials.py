"""The trials of one cell, as far as the records so far decide them: its searches, then the confirm seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ablative.orchestrator.deciding.cell_search import CellSearch
from ablative.orchestrator.deciding.cell_search import Curves
from ablative.orchestrator.deciding.cell_search import Known
from ablative.orchestrator.deciding.cell_search import Proposed
from ablative.orchestrator.deciding.cell_search import Step
from ablative.orchestrator.deciding.recorded import SearchHistory
from ablative.orchestrator.deciding.trial_maker import TrialMaker
from ablative.orchestrator.deciding.trial_maker import target_split
from ablative.orchestrator.inputs import Inputs
from ablative.orchestrator.reached import mean_of
from ablative.orchestrator.storing.plan import PlannedCell
from ablative.orchestrator.storing.plan import PlannedTrial
from ablative.orchestrator.storing.plan import State
from ablative.orchestrator.storing.records import as_json
from ablative.orchestrator.trials import Trial
from ablative.search_spaces.content_hash import content_hash
from ablative.search_spaces.design import Cell
from ablative.search_spaces.proposals import Setting
from ablative.search_spaces.searches import divided
from ablative.search_spaces.study import Study

ENDED = ("done", "failed", "left")


class CellTrials:
    """The trials that one cell has to run.

    Records bring it forward (`advance`); while it waits, its study's decisions do.
    """

    def __init__(
        self,
        study: Study,
        cell: Cell,
        inputs: Inputs,
        history: SearchHistory,
        *,
        confirm_seeds: tuple[int, ...],
        race: tuple[int, ...] | None = None,
        together: Sequence[Cell] = (),
    ) -> None:
        """`history`: the recorded searches. `confirm_seeds`: those that run before anything is decided.

        `race`: for a cell that is confirmed only if chosen, the search seeds that it starts with. `together`: for a
        cell that shares its setting, all cells that share it.
        """
        self.cell = cell
        self.confirm: tuple[Trial, ...] = ()
        self.confirm_seeds = confirm_seeds if race is None else ()
        self.state: State = "search"
        self.config = cell.config
        self.roles = inputs.trainable.roles
        self.id = cell_id(study, cell, together)
        self.front: tuple[int, ...] = ()
        """Proposals with the best trade between target and cost, once the search is done."""
        self._study = study
        self._best: tuple[Setting, ...] = ()
        """One list per search; empty until it is known what is confirmed."""
        self._maker = TrialMaker(study, cell, inputs, self.id)
        self._search = partial(
            CellSearch,
            study=study,
            cell=cell,
            cell_id=self.id,
            config=self.config,
            evaluations=self.roles.evaluations_of(self.config) or 0,
            maker=self._maker,
            settled=history.settled.get(self.id, {}),
            warm=history.warm_settings(cell.arm, dict(cell.condition)),
            judges_base=race is not None,
            given=bool(together),
        )
        self.nested = study.seeds.nested and bool(cell.space)
        """Whether each confirm seed has a search of its own, whose best trial is the confirm trial."""
        if self.nested:
            seeds: list[tuple[int, ...]] = [(seed,) for seed in confirm_seeds]
        else:
            seeds = list(divided(study.seeds.search, study.search.repeats))
        self.searches = [self._search(seeds=own if race is None else race, drawn_with=own) for own in seeds]

    @property
    def search(self) -> CellSearch:
        """The first search; the only one if arms share a setting, or are chosen."""
        return self.searches[0]

    @property
    def budget(self) -> int:
        """Settings that a search tries; a cell with nothing to search has none, unless it is to be chosen."""
        return self.search.budget

    @property
    def trials_a_seed(self) -> int:
        """Trials that a further confirm seed takes."""
        return self.budget if self.nested else 1

    @property
    def proposed(self) -> list[Proposed]:
        """Settings proposed so far, by search."""
        return [setting for search in self.searches for setting in search.proposed]

    @property
    def trials(self) -> list[Trial]:
        """All trials known so far, search first; a trial that was proposed twice occurs twice."""
        return [trial for setting in self.proposed for trial in setting.trials] + list(self.confirm)

    @property
    def awaits_setting(self) -> bool:
        """Whether it waits for the other arms of its condition: for the next settings, or the one that all share."""
        return self.state == "waiting" and self.search.given and not self._best

    @property
    def answering(self) -> list[list[Trial]]:
        """The trials that the answer may rest on: of each list, the best on val."""
        if not self.nested:
            return [[trial] for trial in self.confirm]
        return [[trial for setting in search.proposed for trial in setting.trials] for search in self.searches]

    @property
    def confirmed_settings(self) -> list[Mapping[str, Any]]:
        """The setting that each search confirms, now or later; none before that is decided."""
        if self.nested:
            return [trial.parameters for trial in self.confirm]
        return [setting.parameters for setting in self._best]

    @property
    def undecided_search(self) -> int:
        """Search trials that are planned but whose settings wait for results."""
        if not (self.state == "search" or self.awaits_setting):
            return 0
        open_ones = (search for search in self.searches if self.awaits_setting or not search.done)
        return sum((self.budget - len(search.proposed)) * len(search.seeds) for search in open_ones)

    @property
    def search_total(self) -> int:
        """Search trials, as far as known in advance."""
        return self.budget * sum(len(search.seeds) for search in self.searches)

    @property
    def confirm_total(self) -> int:
        """Confirm trials, as far as known in advance; with nested seeds they include trials of the search."""
        return 0 if self.state == "failed" else len(self.confirm_seeds)

    @property
    def has_ended(self) -> bool:
        """Whether the cell owes nothing more, whatever happens."""
        return self.state in ENDED

    @property
    def undecided_confirm(self) -> int:
        """Confirm trials to run whose setting waits for the search."""
        if self.nested:
            return 0
        return len(self.confirm_seeds) if self.state == "search" or self.awaits_setting else 0

    def advance(self, known: Known, curves: Curves) -> Step:
        """Return the trials that the cell wants now: those of its search, or the confirm trials."""
        if self.state == "search":
            steps = [search.advance(known, curves) for search in self.searches]
            if not all(search.done for search in self.searches):
                run = tuple(trial for step in steps for trial in step.run)
                return Step(run=run, stop=tuple(trial for step in steps for trial in step.stop))
            self._end_search(known, curves)
        if self.state == "confirm":
            owed = tuple(trial for trial in self.confirm if not self.search.is_settled(trial, known))
            if owed:
                return Step(run=owed)
            self.state = "waiting"
        return Step()

    def best_values(self, known: Known) -> list[float]:
        """Return the target of the best setting for each search seed; NaN if there is none."""
        best = self._best[0].parameters if self._best else None
        trials = next((setting.trials for setting in self.proposed if setting.parameters == best), ())
        found = [known[trial.id].value for trial in trials]
        return [math.nan if value is None else value for value in found] or [math.nan]

    def search_on(self, seeds: tuple[int, ...]) -> None:
        """Judge a waiting cell by further search seeds."""
        self.search.extend(seeds)
        self.state = "search"

    def try_settings(self, settings: Sequence[Mapping[str, Any]]) -> None:
        """Try the next settings that a waiting cell shares with the other arms."""
        self.search.take(settings)
        self.state = "search"

    def settle_on(self, shared: Mapping[str, Any] | None) -> None:
        """Confirm the setting that a waiting cell shares with the other arms; without one, its search has failed."""
        own = {path for path, _ in self.cell.space}
        found = None if shared is None else {path: value for path, value in shared.items() if path in own}
        self._confirm([None if found is None else Setting(parameters=found, value=None)])

    def confirm_with(self, seeds: tuple[int, ...]) -> None:
        """Confirm a waiting cell with `seeds`, which begin with those it has been confirmed with so far."""
        new = seeds[len(self.confirm_seeds) :]
        self.confirm_seeds = seeds
        if self.nested:
            self.searches += [self._search(seeds=(seed,), drawn_with=(seed,)) for seed in new]
            self.state = "search"
        else:
            self.confirm += self._confirming(new)
            self.state = "confirm"

    def end(self) -> None:
        """Want no more trials of a waiting cell."""
        self.state = "done" if self.confirm else "left"

    def best_value(self, known: Known, curves: Curves) -> float | None:
        """Return the best mean target of a setting, the mean over the searches; None if none is complete."""
        found = (search.best(known, curves) for search in self.searches)
        return mean_of(None if setting is None else setting.value for setting in found)

    def falls_behind(self, trial: Trial, curves: Curves) -> bool:
        """Return whether the rule stops a running trial of one of the searches."""
        return next(search for search in self.searches if trial.seed in search.seeds).falls_behind(trial, curves)

    def _end_search(self, known: Known, curves: Curves) -> None:
        if self.search.given:
            self.state = "waiting"
            return
        self.front = self.search.front(known, curves)
        if self.nested:
            self._confirm_nested(known, curves)
            return
        nothing = Setting(parameters={}, value=None)
        self._confirm([search.best(known, curves) if self.budget else nothing for search in self.searches])

    def _confirm(self, best: Sequence[Setting | None]) -> None:
        found = tuple(setting for setting in best if setting is not None)
        if len(found) < len(best):
            self.state = "failed"
            return
        self._best = found
        self.state = "confirm" if self.confirm_seeds else "waiting"
        self.confirm = self._confirming(self.confirm_seeds)

    def _confirming(self, seeds: Sequence[int]) -> tuple[Trial, ...]:
        """Return the confirm trials of some seeds: the searches' settings take turns over all confirm seeds."""
        each = len(self._best)
        place = {seed: at % each for at, seed in enumerate(self._study.seeds.confirm)}
        dealt = [[seed for seed in seeds if place[seed] == number] for number in range(each)]
        made = [
            self._maker.trials("confirm", own, best.parameters) for own, best in zip(dealt, self._best, strict=True)
        ]
        return tuple(sorted((trial for of in made for trial in of), key=lambda trial: seeds.index(trial.seed)))

    def _confirm_nested(self, known: Known, curves: Curves) -> None:
        """Take each search's best trial; if a seed completed nothing, its first trial stands for the loss."""
        found = [(search, search.best_number(known, curves)) for search in self.searches]
        if all(number is None for _, number in found):
            self.state = "failed"
            return
        chosen = (search.proposed[number or 0].trials[0] for search, number in found)
        self.confirm = tuple(replace(trial, phase="confirm", proposal=None) for trial in chosen)
        self.state = "confirm"


def cell_id(study: Study, cell: Cell, together: Sequence[Cell] = ()) -> str:
    """Return the identity of a cell's search: everything that decides its proposals, except results.

    The number of trials is left out: a longer search continues a shorter one. `together`: the cells that share their
    settings with it, including itself.
    """
    content = {
        **_searched(cell),
        "sampler": study.search.sampler,
        "batch": study.search.batch,
        "seeds": ["nested"] if study.seeds.nested else list(study.seeds.search),
        "target": study.target.model_dump(mode="json"),
        "evaluate": [target_split(study)],
    }
    # Left out if absent, so that searches recorded before these keys existed keep their identity.
    if study.search.stop is not None:
        content["stop"] = study.search.stop.model_dump(mode="json", exclude_none=True)
    if study.search.cost is not None:
        content["cost"] = study.search.cost.model_dump(mode="json")
    if study.search.warm_start is not None:
        content["warm_start"] = study.search.warm_start
    if study.seeds.nested:
        content["evaluate"] = sorted({target_split(study), *study.evaluate})
    if study.search.repeats > 1:
        content["repeats"] = study.search.repeats
    if together:
        content["shared"] = sorted(content_hash(_searched(one)) for one in together)
    return content_hash(content)


def _searched(cell: Cell) -> dict[str, Any]:
    return {
        # Not canonical: a searched parameter may give meaning to a field without any yet.
        "config": cell.config.model_dump(mode="json", exclude_defaults=True),
        "space": [[path, domain.model_dump(mode="json")] for path, domain in cell.space],
    }


def planned(cell: CellTrials) -> PlannedCell:
    """Return the plan of one cell."""
    searched = [trial for proposed in cell.proposed for trial in proposed.trials]
    numbers = [number for number, proposed in enumerate(cell.proposed) for _ in proposed.trials]
    places = (
        *(_planned(trial, number) for trial, number in zip(searched, numbers, strict=True)),
        *(_planned(trial, None) for trial in cell.confirm),
    )
    return PlannedCell(
        name=cell.cell.name,
        cell_id=cell.id,
        arm=cell.cell.arm,
        is_reference=cell.cell.is_reference,
        is_control=cell.cell.is_control,
        condition=dict(cell.cell.condition),
        state=cell.state,
        search_total=cell.search_total,
        confirm_total=cell.confirm_total,
        front=cell.front,
        trials=tuple(place.trial_id for place in places),
        places=places,
    )


def _planned(trial: Trial, proposal: int | None) -> PlannedTrial:
    return PlannedTrial(
        trial_id=trial.id,
        phase=trial.phase,
        proposal=proposal,
        seed=trial.seed,
        parameters=as_json(trial.parameters),
    )
