"""The trial: one configuration with one seed, the unit that is planned, run and recorded."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import Literal

from ablative.search_spaces.configuration import replaced
from ablative.search_spaces.content_hash import content_hash
from ablative.search_spaces.study import Resources
from ablative.trainables.job import TrialJob
from ablative.trainables.parts.trainable import DEFAULT
from ablative.trainables.parts.trainable import Digests
from ablative.trainables.parts.trainable import Trainable

Phase = Literal["search", "confirm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One trial of a study, with its place in it."""

    id: str
    study: str
    cell: str
    cell_id: str
    arm: str
    is_reference: bool
    is_control: bool
    condition: tuple[tuple[str, Any], ...]
    phase: Phase
    proposal: int | None
    """Index in the search of its cell; None in the confirm phase."""
    seed: int
    trainable: Trainable
    config: Any
    """Resolved and canonical."""
    parameters: Mapping[str, Any]
    """Searched values by dotted path."""
    evaluate: tuple[str, ...]
    digests: Digests
    parts: Mapping[str, str]
    """`kind/name` -> identity of each part that it runs and that is not bundled."""
    pause_after: int | None = None
    """Evaluation after which the trial pauses for a rung's decision; no part of its identity."""
    floors: tuple[tuple[int, float], ...] = ()
    """See `TrialJob.floors`; no part of its identity."""
    target: tuple[str, Literal["max", "min"]] = ("accuracy", "max")
    """See `TrialJob.target`."""
    keep_student: bool = False
    """See `TrialJob.keep_student`; no part of its identity."""
    keep_predictions: bool = False
    """See `TrialJob.keep_predictions`; no part of its identity."""

    def job(self, *, cache: str, resources: Resources, checkpoints: str = "") -> TrialJob:
        """Return what a worker needs to run this trial; `resources`: of the study, whatever its configurations."""
        mine = resources.of(self.config)
        return TrialJob(
            trial_id=self.id,
            config=self.config,
            seed=self.seed,
            evaluate=self.evaluate,
            cache=cache,
            data_digest=self.digests.data,
            threads=mine.cpus_per_worker,
            elastic=bool(mine.fewer_workers),
            keep_predictions=self.keep_predictions,
            checkpoints=checkpoints,
            pause_after=self.pause_after,
            floors=self.floors,
            target=self.target,
            keep_student=self.keep_student,
            time_limit_s=mine.time_limit_s,
            title=self.title,
        )

    @property
    def title(self) -> str:
        """Arm, condition, phase and seed, for displays."""
        phase = self.phase if self.proposal is None else f"{self.phase} {self.proposal}"
        return f"{self.cell} {phase} seed {self.seed}"


def trial_ids(
    trainable: Trainable,
    config: Any,
    seeds: Sequence[int],
    evaluate: Sequence[str],
    digests: Digests,
    parts: Mapping[str, str],
    workers: Sequence[int] = (),
) -> tuple[str, ...]:
    """Return the identity of what a trial computes, for each seed; independent of time, place and study.

    `config`: in canonical form, so that two spellings of one computation have one identity. Fields at their defaults
    are left out, so that a new field at its old meaning changes no id; and so are paths, because the digests say what
    lies there. `parts`: those that are not bundled, see `Trainable.used`. `workers`: how many an
    elastic trial may have; a fixed number is left out, as it says only how something is computed.
    """
    content = {
        "config": trainable.content(config),
        "evaluate": sorted(evaluate),
        "data": digests.data,
        "teacher": digests.teacher,
        "student": digests.student,
        "identity_version": trainable.identity_version,
        **({} if trainable.name == DEFAULT else {"trainable": trainable.name}),
        **({"parts": dict(parts)} if parts else {}),
        **({"workers": list(workers)} if workers else {}),
    }
    return tuple(content_hash({**content, "seed": seed}) for seed in seeds)


def with_parameters(trainable: Trainable, config: Any, parameters: Mapping[str, Any]) -> Any:
    """Return the canonical configuration with `parameters` (dotted path -> value) set."""
    return trainable.canonical(replaced(config, parameters))
