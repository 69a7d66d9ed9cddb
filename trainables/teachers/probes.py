"""A teacher's knowledge of a task, measured before any trial: the score of a linear probe on its features, on val.

`<cache>/preflight/<key>.json` holds the figures, one file for each data set, share of its labels and teacher. The key
comes from their digests. This module finds and keeps the figures; `ablative.trainables.teachers.probe` measures them.
Imports no torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ablative.progress import Progress
from ablative.trainables.cache import write_atomically
from ablative.trainables.config import TrialConfig
from ablative.trainables.config import canonical
from ablative.trainables.parts.trainable import Digests
from ablative.trainables.parts.trainable import Foresight
from ablative.trainables.parts.trainable import Sees
from ablative.trainables.strangers import parsing

FOLDER = "preflight"
PROBE_VERSION = 2
"""Raised when code changes what is measured."""
MOST_FITTED, MOST_MEASURED = 10_000, 5_000
"""Examples of train that a probe is fitted on, and of val that measure it; a hash chooses them."""
SEED = 0
"""Seed of the low-shot subset that is probed; a trial's subset has a seed of its own."""


class TeacherProbes:
    """The foresights of the configurations of one study."""

    def __init__(self, cache: Path, digests: Callable[[TrialConfig], Digests]) -> None:
        """`digests`: those that a configuration reads."""
        self._cache = cache
        self._digests = digests

    def sees(self, config: TrialConfig) -> Sees:
        """Return what a configuration's student learns from."""
        shown: Mapping[str, Sees] = {"text": "text", "image": "image"}
        if (alone := shown.get(config.task.inputs)) is not None:
            return alone
        if not canonical(config).distillation.distils:
            return "both"
        return "teacher" if _has_probe(config) else "other"

    def of(self, config: TrialConfig) -> Foresight | None:
        """Return the figures for a configuration's teacher; None if there are none. Raises MissingData."""
        if self.sees(config) != "teacher":
            return None
        path = self._path(config)
        if not path.is_file():
            return None
        with parsing(str(path), "remove this file; `ablate teacher probe` writes it again"):
            return Foresight(**json.loads(path.read_text(encoding="utf-8")))

    def measure(self, configs: Iterable[TrialConfig], progress: Progress) -> None:
        """Measure what is missing, and first compute the missing teacher features. Raises as `prepare`."""
        from ablative.trainables.prepare import prepare_data
        from ablative.trainables.teachers.probe import foresee

        wanted = {self._path(config): config for config in configs if self.sees(config) == "teacher"}
        missing = {path: config for path, config in wanted.items() if not path.is_file()}
        if missing:
            prepare_data(list(missing.values()), self._cache, progress)
        for done, (path, config) in enumerate(missing.items(), start=1):
            found = foresee(
                *(config, self._cache, progress), seed=SEED, most_fitted=MOST_FITTED, most_measured=MOST_MEASURED
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, json.dumps(found.values(), indent=2) + "\n")
            progress("teacher: probes", done, len(missing))

    def _path(self, config: TrialConfig) -> Path:
        task, digests = config.task, self._digests(config)
        content: dict[str, Any] = {
            "version": PROBE_VERSION,
            "data": digests.data,
            "teacher": digests.teacher,
            "task": task.name,
            "options": task.part.changes,
            "data_fraction": task.data_fraction,
            "most": [MOST_FITTED, MOST_MEASURED, SEED],
        }
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        return self._cache / FOLDER / f"{digest[:24]}.json"


def _has_probe(config: TrialConfig) -> bool:
    """Whether it is one teacher, as published or untrained; other controls say nothing about the teacher itself."""
    return len(config.taught_by) == 1 and config.taught_by[0][0].control in ("none", "untrained")
