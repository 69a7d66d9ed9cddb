"""The state of training outside trials: saved as it goes, so that the same command continues what was killed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ablative.errors import AblativeError
from ablative.trainables.cache import written_whole
from ablative.trainables.strangers import parsing


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedRun:
    """A file beside an output that holds everything the next steps depend on."""

    path: Path
    digest: str
    """Of all that decides what the run computes."""
    modules: Mapping[str, Any]
    """By name: modules and optimizers, with `state_dict` and `load_state_dict`."""
    error: type[AblativeError]
    """What is raised for a file that does not fit."""

    def restored(self, device: torch.device) -> int:
        """Take over the state of an earlier run, and return the steps that it had done."""
        if not self.path.is_file():
            return 0
        remedy = "remove it; the same command then starts from the beginning"
        with parsing(str(self.path), remedy, self.error, passed=self.error):
            content = torch.load(self.path, map_location=device, weights_only=True)
            if content["digest"] != self.digest:
                raise self.error(
                    f"{self.path}: of a run with other data, weights or options; give that run's, or another "
                    "--output, or remove this file to start from the beginning"
                )
            for name, module in self.modules.items():
                module.load_state_dict(content[name])
        done: int = content["steps"]
        return done

    def save(self, steps: int) -> None:
        """Save the state after `steps`."""
        content = {name: module.state_dict() for name, module in self.modules.items()}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(self.path) as scratch:
            torch.save({**content, "digest": self.digest, "steps": steps}, scratch)

    def forget(self) -> None:
        """Remove the file: the output is complete."""
        self.path.unlink(missing_ok=True)
