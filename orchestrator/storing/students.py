"""The trained students that a study keeps: one file a trial, beside the checkpoints of those that still run."""

from __future__ import annotations

from ablative.orchestrator.storing.folder import Folder

_SUFFIX = ".safetensors"


class Students:
    """The kept students of one study; `uri` is the folder that holds them."""

    def __init__(self, uri: str) -> None:
        """Nothing is created before the first `save`."""
        self._folder = Folder(uri)

    def load(self, trial_id: str) -> bytes | None:
        """Return the trial's student; None if there is none."""
        content = self._folder.read(trial_id + _SUFFIX)
        return None if content is None else content.to_pybytes()

    def save(self, trial_id: str, content: bytes) -> None:
        """Write the trial's student whole or not at all, over an earlier one; raises StoreError."""
        self._folder.write(trial_id + _SUFFIX, content)

    def remove(self, trial_id: str) -> None:
        """Remove the trial's student, if there is one."""
        self._folder.remove(trial_id + _SUFFIX)

    def sizes(self) -> dict[str, int]:
        """Return the bytes of each student, by trial."""
        stamps = self._folder.stamps("")
        return {name.removesuffix(_SUFFIX): size for name, _, size in stamps if name.endswith(_SUFFIX)}
