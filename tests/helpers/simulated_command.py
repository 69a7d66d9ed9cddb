"""The command line with simulated trials, as a process: `python -m tests.helpers.simulated_command SECONDS run`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ablative.orchestrator.commands import composition
from ablative.orchestrator.commands.cli import main
from ablative.orchestrator.commands.loaded import Loaded
from ablative.orchestrator.driving.inline import InlineExecutor
from tests.helpers.simulated import SimulatedTrainable
from tests.helpers.simulated import make_inputs


def _simulated(seconds: float) -> None:
    def engine(kind: str, address: str, loaded: Loaded, cache_folder: Path, checkpoints: str) -> tuple[Any, Any]:
        run_trial = SimulatedTrainable(seconds=seconds)
        local = InlineExecutor(run_trial=run_trial, resources=loaded.study.resources, cache=cache_folder)
        return local, lambda configs, progress: None

    composition.engine = engine
    composition.inputs = lambda loaded, cache=None, progress=None: make_inputs()


if __name__ == "__main__":
    _simulated(float(sys.argv[1]))
    main(sys.argv[2:])
