"""Which trained students a study keeps. Pure functions of values."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Protocol

from ablative.orchestrator.deciding.cell_trials import CellTrials
from ablative.orchestrator.trials import Trial
from ablative.search_spaces.study import Study
from ablative.trainables.parts.trainable import Trainable


class Valued(Protocol):
    """The end of a trial."""

    @property
    def value(self) -> float | None:
        """Its target on val, if it completed."""
        ...


def named(study: Study, cells: Iterable[CellTrials], known: Mapping[str, Valued]) -> set[str]:
    """Return the ended trials whose students the study is to keep: all confirmed, or the best on val of each cell.

    Among equals the lowest seed is best, so the order in which trials end does not matter.
    """
    found: set[str] = set()
    for cell in cells:
        scored = [score for trials in cell.answering if (score := _best(study, trials, known)) is not None]
        if study.keep.students == "best":
            scored = [max(scored)] if scored else []
        if study.keep.students != "none":
            found.update(trial_id for _, _, _, trial_id in scored)
    return found


def _best(study: Study, trials: Sequence[Trial], known: Mapping[str, Valued]) -> tuple[float, int, int, str] | None:
    """Return the best trial, the earliest among equals.

    A trial is value, whether more is better, seed, place and id.
    """
    sign = 1 if study.target.mode == "max" else -1
    ended = (
        (sign * value, -trial.seed, -at, trial.id)
        for at, trial in enumerate(trials)
        if trial.id in known and (value := known[trial.id].value) is not None
    )
    return max(ended, default=None)


def spare(study: Study, cells: Iterable[CellTrials], known: Mapping[str, Valued], kept: Collection[str]) -> set[str]:
    """Return the existing kept students that are not the best of any cell, because a better one is kept."""
    there = {trial_id: result for trial_id, result in known.items() if trial_id in kept}
    return there.keys() - named(study, cells, there)


def is_full(room: int, kept: Collection[int]) -> bool:
    """Return whether not even the smallest kept student (given the bytes of each) would fit once more."""
    return bool(kept) and sum(kept) + min(kept) > room


def estimated_bytes(study: Study, cells: Iterable[CellTrials], trainable: Trainable) -> int:
    """Return the approximate bytes of the students that a study keeps; 0 if no sizes are known."""
    each = {"none": 0, "best": 1}.get(study.keep.students, len(study.seeds.confirm))
    return sum(each * trainable.student_bytes(cell.config) for cell in cells)
