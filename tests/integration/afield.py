"""Trials that tell on which machine they run, and a driver of them: `python -m tests.integration.afield --help`."""

from __future__ import annotations

import argparse
import os
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
from typing import Any

from ablative.progress import Progress
from ablative.trainables.job import Link
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from tests.helpers.simulated import SimulatedTrainable
from tests.helpers.simulated import make_experiment
from tests.integration.restless import plain_study

SAVED_EVERY_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Afield:
    """A trial that takes its time, saves all the while, and leaves `TRIAL.MACHINE.PID` behind as it starts.

    Once there is a mark `hurry`, trials end at once. Several workers sum their ranks over the process group, and the
    sum is the outcome's device.
    """

    marks: str
    seconds: float

    def __call__(self, job: TrialJob, link: Link) -> TrialOutcome:
        """Run one trial."""
        import ray.train

        device = socket.gethostname()
        (Path(self.marks) / f"{job.trial_id}.{device}.{os.getpid()}").touch()
        if ray.train.get_context().get_world_size() > 1:
            import torch
            import torch.distributed

            total = torch.tensor([torch.distributed.get_rank() + 1.0])
            torch.distributed.all_reduce(total)
            device = f"total {total.item():g}"
        until = time.monotonic() + self.seconds
        while time.monotonic() < until and not (Path(self.marks) / "hurry").exists():
            link.save(b"a state")
            if link.stop_requested():
                return TrialOutcome(status="stopped", cause="cancelled")
            time.sleep(SAVED_EVERY_S)
        return replace(SimulatedTrainable()(job, link), device=device)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A preparation that leaves the name of its machine behind."""

    marks: str

    def __call__(self, configs: Sequence[Any], cache: Path, progress: Progress) -> None:
        """Prepare."""
        (Path(self.marks) / f"prepared.{socket.gethostname()}").touch()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study and print its progress; the exit status tells whether all trials were completed."""
    from ablative.cluster.executor import RayExecutor
    from ablative.cluster.preparation import prepare_remote
    from ablative.errors import AblativeError
    from ablative.orchestrator.driving.run import run_study
    from ablative.orchestrator.showing.display import PlainDisplay
    from ablative.orchestrator.storing.store import Store
    from ablative.search_spaces.study import Resources
    from ablative.trainables.parts.preparation import Preparation

    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("folder", type=Path, help="that all machines see; gets `store` and `marks`")
    parser.add_argument("--trials", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=2.0, help="of a trial")
    parser.add_argument("--workers", type=int, default=1, help="of a trial")
    parser.add_argument("--cache", type=Path, help="[folder/marks]")
    asked = parser.parse_args(arguments)
    store, marks, study = Store.open(str(asked.folder / "store")), asked.folder / "marks", plain_study(asked.trials)
    marks.mkdir(exist_ok=True)
    resources = Resources(workers=asked.workers)

    def prepare(configs: Sequence[Any], progress: Progress) -> None:
        steps = Preparation(data=Prepared(marks=str(marks)))
        prepare_remote(configs, marks, progress, address=asked.address, resources=resources, steps=steps)

    try:
        with PlainDisplay(sys.stderr) as display:
            executor = RayExecutor(
                address=asked.address,
                resources=resources,
                cache=asked.cache or marks,
                checkpoints=store.checkpoints_uri(study.study),
                run_trial=Afield(marks=str(marks), seconds=asked.seconds),
            )
            summary = run_study(replace(make_experiment(study), prepare=prepare), store, executor, display)
    except AblativeError as error:
        print(error, file=sys.stderr)
        return 2
    return int(summary.num_failed + summary.owed > 0)


if __name__ == "__main__":
    sys.exit(main())
