"""Makes the trials of one cell: a setting and its seeds, each with its identity."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from ablative.orchestrator.inputs import Inputs
from ablative.orchestrator.inputs import evaluated
from ablative.orchestrator.trials import Phase
from ablative.orchestrator.trials import Trial
from ablative.orchestrator.trials import trial_ids
from ablative.orchestrator.trials import with_parameters
from ablative.search_spaces.design import Cell
from ablative.search_spaces.study import Study


class TrialMaker:
    """Turns settings of one cell into trials; parts that the seeds of a setting share are computed once."""

    def __init__(self, study: Study, cell: Cell, inputs: Inputs, cell_id: str) -> None:
        self._study = study
        self._cell = cell
        self._inputs = inputs
        self._cell_id = cell_id
        self._trainable = inputs.trainable
        plain = self._trainable.canonical(cell.config)
        self._config = plain if plain == cell.config else cell.config  # `canonical` knows its own parts

    def trials(
        self, phase: Phase, seeds: Sequence[int], parameters: Mapping[str, Any], proposal: int | None = None
    ) -> tuple[Trial, ...]:
        """Return one trial per seed for the setting `parameters` (dotted path -> value)."""
        config = with_parameters(self._trainable, self._config, parameters)
        evaluate = self._evaluate(phase, config)
        digests = self._inputs.digests(config)
        parts = self._trainable.used(config, self._inputs.catalogue)
        fewer, most = self._study.resources.fewer_workers, self._study.resources.most_workers
        workers = (most, *fewer) if fewer else ()
        ids = trial_ids(self._trainable, config, seeds, evaluate, digests, parts, workers)
        mode, keep = self._study.target.mode, self._study.keep.students
        answers = phase == "confirm" or self._study.seeds.nested  # whether the answer may rest on it
        metric = self._study.target.metric.split("/", 1)[1]
        return tuple(
            Trial(
                id=trial_id,
                study=self._study.study,
                cell=self._cell.name,
                cell_id=self._cell_id,
                arm=self._cell.arm,
                is_reference=self._cell.is_reference,
                is_control=self._cell.is_control,
                condition=self._cell.condition,
                phase=phase,
                proposal=proposal,
                seed=seed,
                trainable=self._trainable,
                config=config,
                parameters=parameters,
                evaluate=evaluate,
                digests=digests,
                parts=parts,
                target=(metric, mode),
                keep_student=answers and keep != "none",
                keep_predictions=answers,
            )
            for seed, trial_id in zip(seeds, ids, strict=True)
        )

    def _evaluate(self, phase: Phase, config: Any) -> tuple[str, ...]:
        target = target_split(self._study)
        if phase == "search" and not self._study.seeds.nested:
            return (target,)
        wanted = (*self._study.evaluate, *([target] if phase == "search" else []))
        return evaluated(wanted, self._trainable.splits(config))


def target_split(study: Study) -> str:
    """Return the split that judges the search."""
    return study.target.metric.split("/", 1)[0]
