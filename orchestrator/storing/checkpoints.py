"""Checkpoints of unfinished trials: one file a trial, in the store, so that any node can go on from it."""

from __future__ import annotations

from ablative.orchestrator.errors import StoreError
from ablative.orchestrator.storing.folder import Folder
from ablative.trainables.errors import Hindered
from ablative.trainables.job import CurvePoint

_SUFFIX = ".checkpoint"


class Checkpoints:
    """The checkpoints of one study; `uri` is the folder that holds them."""

    def __init__(self, uri: str) -> None:
        """Nothing is created before the first `save`."""
        self._folder = Folder(uri)

    def load(self, trial_id: str) -> bytes | None:
        """Return the trial's checkpoint; None if there is none."""
        content = self._folder.read(trial_id + _SUFFIX)
        return None if content is None else content.to_pybytes()

    def save(self, trial_id: str, content: bytes) -> None:
        """Write the trial's checkpoint whole or not at all, over an earlier one; raises StoreError."""
        self._folder.write(trial_id + _SUFFIX, content)

    def remove(self, trial_id: str) -> None:
        """Remove the trial's checkpoint, if there is one."""
        self._folder.remove(trial_id + _SUFFIX)

    def trials(self) -> list[str]:
        """Return the ids of the trials that have a checkpoint, sorted."""
        return [name.removesuffix(_SUFFIX) for name in self._folder.names("") if name.endswith(_SUFFIX)]


class StoredLink:
    """The link of a trial that nobody watches: its checkpoint is in the store."""

    def __init__(self, checkpoints: Checkpoints | None, trial_id: str) -> None:
        """Without `checkpoints` nothing is kept: the trial starts anew whenever it is lost."""
        self._checkpoints = checkpoints
        self._trial_id = trial_id

    def report(self, point: CurvePoint) -> None:
        """Curve points are in the outcome."""

    def stop_requested(self) -> bool:
        """Never."""
        return False

    def load(self) -> bytes | None:
        """Return the trial's checkpoint."""
        return self._checkpoints.load(self._trial_id) if self._checkpoints else None

    def save(self, content: bytes) -> None:
        """Keep the trial's checkpoint; raises Hindered where that fails: it is the run that ends, no trial failed."""
        if self._checkpoints:
            try:
                self._checkpoints.save(self._trial_id, content)
            except StoreError as error:
                raise Hindered(str(error)) from error


def link(uri: str, trial_id: str) -> StoredLink:
    """Return the link of a trial whose checkpoint lies in the folder `uri`; in none, where `uri` is empty."""
    return StoredLink(Checkpoints(uri) if uri else None, trial_id)
