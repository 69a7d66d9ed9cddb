"""Checkpoints of unfinished trials: one file per trial, in the store, so that any node can continue it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ablative.orchestrator.errors import StoreError
from ablative.orchestrator.storing.students import Students
from ablative.orchestrator.storing.trial_files import TrialFiles
from ablative.trainables.errors import Hindered
from ablative.trainables.job import CurvePoint
from ablative.trainables.job import TrialJob


class Checkpoints(TrialFiles):
    """The checkpoints of one study."""

    suffix = ".checkpoint"


class StoredLink:
    """The link of a trial that nobody watches: its checkpoint is in the store."""

    def __init__(self, job: TrialJob) -> None:
        """Without a folder in the job nothing is kept: a lost trial starts from the beginning."""
        self._checkpoints = Checkpoints(job.checkpoints) if job.checkpoints else None
        self._students = Students(job.checkpoints) if job.checkpoints and job.keep_student else None
        self._trial_id = job.trial_id

    def report(self, point: CurvePoint) -> None:
        """Curve points are in the outcome."""

    def reached(self, share: float) -> None:
        """Nobody waits."""

    def stop_requested(self) -> bool:
        """Never."""
        return False

    def leaving(self) -> bool:
        """Never."""
        return False

    def load(self) -> bytes | None:
        """Return the trial's checkpoint."""
        return self._checkpoints.load(self._trial_id) if self._checkpoints else None

    def save(self, content: bytes) -> None:
        """Keep the trial's checkpoint; raises Hindered on failure: the run ends, and no trial failed."""
        if self._checkpoints:
            with _hindering():
                self._checkpoints.save(self._trial_id, content)

    def keep(self, student: bytes) -> None:
        """Keep the trained student; raises Hindered as `save`. Whether it stays, the driver decides.

        The trial's record is written after it: a recorded trial has its student, and a lost one trains again.
        """
        if self._students:
            with _hindering():
                self._students.save(self._trial_id, student)


@contextmanager
def _hindering() -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        raise Hindered(str(error)) from error
