from __future__ import annotations

from pathlib import Path

from orchestrator.executor import Executor
from orchestrator.inline import InlineExecutor
from search_spaces.study import Resources
from tests.contract.executor_contract import ExecutorContract
from tests.helpers.simulated import SimulatedTrainable


class TestInlineExecutor(ExecutorContract):
    def make_executor(self, run_trial: SimulatedTrainable, resources: Resources, cache: Path) -> Executor:
        return InlineExecutor(run_trial=run_trial, resources=resources, cache=cache)
