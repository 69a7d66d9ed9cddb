"""One file per trial, in a folder of its study, written whole or not at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import ClassVar

from ablative.orchestrator.storing.folder import Folder


class TrialFiles:
    """The files of one kind of one study; `uri` is the folder that holds them."""

    suffix: ClassVar[str]
    """Suffix of their names, which begin with the trial's id."""

    def __init__(self, uri: str) -> None:
        """Nothing is created before the first `save`."""
        self._folder = Folder(uri)

    def load(self, trial_id: str) -> bytes | None:
        """Return the trial's file; None if there is none."""
        content = self._folder.read(trial_id + self.suffix)
        return None if content is None else content.to_pybytes()

    def save(self, trial_id: str, content: bytes) -> None:
        """Write the trial's file whole or not at all, replacing an earlier one; raises StoreError."""
        self._folder.write(trial_id + self.suffix, content)

    def remove(self, trial_id: str) -> None:
        """Remove the trial's file, if there is one."""
        self._folder.remove(trial_id + self.suffix)

    def remove_soon(self, trial_id: str) -> None:
        """Remove the trial's file, from object storage in the background; a failure there is swept up later."""
        if self._folder.is_local:
            self.remove(trial_id)
        else:
            self._removing.submit(self.remove, trial_id)

    @cached_property
    def _removing(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(2)

    def trials(self) -> list[str]:
        """Return the ids of the trials with a file, sorted."""
        return [name.removesuffix(self.suffix) for name in self._folder.names("") if name.endswith(self.suffix)]

    def sizes(self) -> dict[str, int]:
        """Return the bytes of each file, by trial."""
        stamps = self._folder.stamps("")
        return {name.removesuffix(self.suffix): size for name, _, size in stamps if name.endswith(self.suffix)}
