"""The trials of one cell, as far as the records so far decide them: the search, then the confirm seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Sequence
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
from ablative.orchestrator.storing.plan import PlannedCell
from ablative.orchestrator.storing.plan import PlannedTrial
from ablative.orchestrator.storing.plan import State
from ablative.orchestrator.storing.records import as_json
from ablative.orchestrator.trials import Trial
from ablative.search_spaces.content_hash import content_hash
from ablative.search_spaces.design import Cell
from ablative.search_spaces.proposals import Setting
from ablative.search_spaces.study import Study

ENDED = ("done", "failed", "left")


class CellTrials:
    """What one cell has to run. Records bring it forward (`advance`); while it waits, its study's decisions do."""

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
        """`history`: what is recorded of searches. `confirm_seeds`: those that are run before anything is decided.

        `race`: of a cell that is confirmed only if it is chosen, the search seeds that it starts with. `together`:
        of a cell that shares its setting, all that share it.
        """
        self.cell = cell
        self.confirm: tuple[Trial, ...] = ()
        self.confirm_seeds = confirm_seeds if race is None else ()
        self.state: State = "search"
        self.config = cell.config
        self.roles = inputs.trainable.roles
        self.id = cell_id(study, cell, together)
        self.front: tuple[int, ...] = ()
        """Proposals that trade target for cost best, once the search is done."""
        self._best: Setting | None = None
        self._maker = TrialMaker(study, cell, inputs, self.id)
        self.search = CellSearch(
            study=study,
            cell=cell,
            cell_id=self.id,
            config=self.config,
            evaluations=self.roles.evaluations_of(self.config) or 0,
            maker=self._maker,
            settled=history.settled.get(self.id, {}),
            warm=history.warm_settings(cell.arm, dict(cell.condition)),
            seeds=study.seeds.search if race is None else race,
            judges_base=race is not None,
            given=bool(together),
        )

    @property
    def budget(self) -> int:
        """Settings that the search tries; a cell with nothing to search has none, unless it is to be chosen."""
        return self.search.budget

    @property
    def proposed(self) -> list[Proposed]:
        """Settings proposed so far."""
        return self.search.proposed

    @property
    def trials(self) -> list[Trial]:
        """All trials known so far, search first; one that was proposed twice occurs twice."""
        return [trial for setting in self.proposed for trial in setting.trials] + list(self.confirm)

    @property
    def awaits_setting(self) -> bool:
        """Whether it waits for the other arms of its condition: for the next settings, or the one that all share."""
        return self.state == "waiting" and self.search.given and self._best is None

    @property
    def undecided_search(self) -> int:
        """Search trials that are planned but whose settings wait for results."""
        settings = self.budget - len(self.proposed) if self.state == "search" or self.awaits_setting else 0
        return settings * len(self.search.seeds)

    @property
    def search_total(self) -> int:
        """Search trials, as far as they are foreseen."""
        return self.budget * len(self.search.seeds)

    @property
    def confirm_total(self) -> int:
        """Confirm trials, as far as they are foreseen."""
        return 0 if self.state == "failed" else len(self.confirm_seeds)

    @property
    def has_ended(self) -> bool:
        """Whether the cell owes nothing more, whatever comes."""
        return self.state in ENDED

    @property
    def undecided_confirm(self) -> int:
        """Confirm trials whose setting waits for the search."""
        return len(self.confirm_seeds) if self.state == "search" or self.awaits_setting else 0

    def advance(self, known: Known, curves: Curves) -> Step:
        """Return what the cell wants now: trials of its search, or the confirm trials."""
        if self.state == "search":
            step = self.search.advance(known, curves)
            if not self.search.done:
                return step
            self._end_search(known, curves)
        if self.state == "confirm":
            owed = tuple(trial for trial in self.confirm if not self.search.is_settled(trial, known))
            if owed:
                return Step(run=owed)
            self.state = "waiting"
        return Step()

    def best_values(self, known: Known) -> list[float]:
        """Return the target of the best setting for each search seed; not a number where there is none."""
        best = None if self._best is None else self._best.parameters
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
        """Confirm the setting that a waiting cell shares with the other arms; without one its search has failed."""
        own = {path for path, _ in self.cell.space}
        found = None if shared is None else {path: value for path, value in shared.items() if path in own}
        self._confirm(None if found is None else Setting(parameters=found, value=None))

    def confirm_with(self, seeds: tuple[int, ...]) -> None:
        """Run the best setting of a waiting cell with `seeds`, which begin with those it was run with so far."""
        assert self._best is not None
        new = seeds[len(self.confirm_seeds) :]
        self.confirm += self._maker.trials("confirm", new, self._best.parameters)
        self.confirm_seeds, self.state = seeds, "confirm"

    def end(self) -> None:
        """Ask no more of a waiting cell."""
        self.state = "done" if self.confirm else "left"

    def best(self, known: Known, curves: Curves) -> Setting | None:
        """Return the setting with the best mean target, the earliest of equals; None if none is complete."""
        return self.search.best(known, curves)

    def _end_search(self, known: Known, curves: Curves) -> None:
        if self.search.given:
            self.state = "waiting"
            return
        self.front = self.search.front(known, curves)
        self._confirm(self.best(known, curves) if self.budget else Setting(parameters={}, value=None))

    def _confirm(self, best: Setting | None) -> None:
        self._best = best
        if best is None:
            self.state = "failed"
            return
        self.state = "confirm" if self.confirm_seeds else "waiting"
        self.confirm = self._maker.trials("confirm", self.confirm_seeds, best.parameters)


def cell_id(study: Study, cell: Cell, together: Sequence[Cell] = ()) -> str:
    """Return the identity of a cell's search: what its proposals are a function of, but for results.

    The number of trials is left out: a longer search continues a shorter one. `together`: the cells that share their
    settings with it, itself among them.
    """
    content = {
        **_searched(cell),
        "sampler": study.search.sampler,
        "batch": study.search.batch,
        "seeds": list(study.seeds.search),
        "target": study.target.model_dump(mode="json"),
        "evaluate": [target_split(study)],
    }
    # Left out where absent, so that searches that were recorded before these keys existed keep their identity.
    if study.search.stop is not None:
        content["stop"] = study.search.stop.model_dump(mode="json", exclude_none=True)
    if study.search.cost is not None:
        content["cost"] = study.search.cost.model_dump(mode="json")
    if study.search.warm_start is not None:
        content["warm_start"] = study.search.warm_start
    if together:
        content["shared"] = sorted(content_hash(_searched(one)) for one in together)
    return content_hash(content)


def _searched(cell: Cell) -> dict[str, Any]:
    return {
        # Not canonical: a searched parameter may give meaning to a field that has none yet.
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
