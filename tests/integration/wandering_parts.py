"""A trainable for clusters that lose machines, by `--with`: it takes its time, saves, and tells where it runs."""

import os
import socket
import time
from pathlib import Path

from ablative import Field
from ablative import Options
from ablative import Trainable
from ablative import TrialOutcome
from ablative.trainables.errors import Preempted
from ablative.trainables.ranks import current_ranks

SAVED_EVERY_S = 0.25


class Config(Options):
    marks: str = Field("", description="Folder that all machines see; a file `hurry` there ends trials at once.")
    strength: float = Field(0.0, description="What the arm adds.")
    wide: bool = Field(False, description="Whether trials have two workers; changes nothing else.")
    seconds: float = Field(4.0, ge=0, description="How long a trial takes.")


def run(job, link):
    """Leave `TRIAL.MACHINE.PID` behind, save until it is time, and return what depends on strength and seed alone."""
    config, marks = job.config, Path(job.config.marks)
    (marks / f"{job.trial_id}.{socket.gethostname()}.{os.getpid()}").touch()
    until = time.monotonic() + config.seconds
    link.save(b"a state")
    while time.monotonic() < until and not (marks / "hurry").exists():
        link.save(b"a state")
        if link.leaving():
            (marks / f"{job.trial_id}.{socket.gethostname()}.gave_way").touch()
            raise Preempted("saved")
        if link.stop_requested():
            return TrialOutcome(status="stopped", cause="cancelled")
        time.sleep(SAVED_EVERY_S)
    metrics = {f"{split}/accuracy": 0.5 + config.strength + 0.001 * job.seed for split in job.evaluate}
    return TrialOutcome(status="completed", metrics=metrics, seconds=1.0, num_workers=current_ranks().world)


PARTS = [
    Trainable(
        name="wandering",
        description="Trains nothing, on whichever machine.",
        config=Config,
        run=run,
        arms={"narrow": {}, "strong": {"strength": 0.05}, "wide": {"wide": True, "strength": 0.1}},
    )
]
