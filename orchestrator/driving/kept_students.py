"""The trained students that a run keeps, as its study asks, within a limit of disk space."""

from __future__ import annotations

from collections.abc import Callable

from ablative.orchestrator.deciding.keeping import named
from ablative.orchestrator.deciding.keeping import spare
from ablative.orchestrator.deciding.queue import TrialQueue
from ablative.orchestrator.storing.store import Store
from ablative.orchestrator.trials import Trial


class KeptStudents:
    """Gets every ended trial, and decides which students stay, because a worker knows no other trial."""

    def __init__(self, queue: TrialQueue, store: Store, say: Callable[[str], None]) -> None:
        """`say`: called once when a student no longer fits."""
        self._queue = queue
        self._store = store
        self._students = store.students(queue.study.study)
        self._room = queue.study.keep.room
        self._say = say
        self._told = False

    def ended(self, trial: Trial) -> None:
        """Remove the student that this trial's replaces; or this one, if the kept students would exceed their limit.

        Students of unrecorded trials are neither removed nor counted.
        """
        if not trial.keep_student:
            return
        before = self._sizes()
        self._drop_spare(before)
        after = self._sizes()
        own = after.get(trial.id, 0)
        if own and sum(after.values()) > max(self._room, sum(before.values()) - own):
            self._students.remove(trial.id)
            self._refuse(f"that of {trial.cell}, seed {trial.seed}")

    def take(self) -> None:
        """Copy students of this study's trials that only other studies keep, while there is room."""
        if not self._room:
            return
        self._drop_spare(self._sizes())
        own, elsewhere = self._students.sizes(), self._store.kept_students()
        used = sum(own.values())
        wanted = named(self._queue.study, self._queue.cells, self._queue.known)
        for trial_id in sorted((wanted - own.keys()) & elsewhere.keys()):
            if used + elsewhere[trial_id] > self._room:
                self._refuse(f"that of trial {trial_id}, which another study keeps")
            elif (student := self._store.student(trial_id)) is not None:
                self._students.save(trial_id, student)
                used += elsewhere[trial_id]

    def _sizes(self) -> dict[str, int]:
        known = self._queue.known
        return {trial_id: size for trial_id, size in self._students.sizes().items() if trial_id in known}

    def _drop_spare(self, there: dict[str, int]) -> None:
        """If only the best are kept, remove students that are not the best of a cell or seed."""
        if self._queue.study.keep.students == "best" or self._queue.study.seeds.nested:
            for trial_id in spare(self._queue.study, self._queue.cells, self._queue.known, there.keys()):
                self._students.remove(trial_id)

    def _refuse(self, which: str) -> None:
        if not self._told:
            self._told = True
            self._say(
                f"students: keep.gigabytes={self._queue.study.keep.gigabytes:g} is full; not kept: {which}, nor any "
                "later one that does not fit. Trials are recorded all the same; `ablate plan` counts those without"
            )
