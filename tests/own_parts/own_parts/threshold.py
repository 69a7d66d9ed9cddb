"""A trainable without CLIP, tasks or torch: a threshold is learned from noisy numbers, by mean or median."""

import random
import statistics

from ablative import CurvePoint
from ablative import Field
from ablative import Options
from ablative import Roles
from ablative import Trainable
from ablative import TrialOutcome


class Threshold(Options):
    numbers: int = Field(40, ge=2, le=1000, description="Training examples.")
    share: float = Field(1.0, gt=0, le=1, description="Share of them that is used.")
    robust: bool = Field(False, description="Median instead of mean.")
    evaluations: int = Field(2, ge=1, le=10, description="Evaluations.")


def run(job, link):
    """Learn where numbers of one class end; a tenth of them are far off."""
    draw = random.Random(job.seed)
    numbers = [draw.gauss(0, 1) if draw.random() < 0.9 else draw.gauss(0, 50) for _ in range(job.config.numbers)]
    value = 0.0
    for step in range(1, job.config.evaluations + 1):
        used = numbers[: max(1, round(job.config.share * job.config.numbers * step / job.config.evaluations))]
        middle = statistics.median(used) if job.config.robust else statistics.fmean(used)
        value = 1 / (1 + abs(middle))
        link.report(CurvePoint(step=step, split="val", metric="accuracy", value=value, seconds=0.0))
    return TrialOutcome(status="completed", metrics={f"{split}/accuracy": value for split in job.evaluate})


THRESHOLD = Trainable(
    name="threshold",
    description="A threshold learned from noisy numbers.",
    config=Threshold,
    run=run,
    roles=Roles(data_fraction="share", evaluations="evaluations"),
    arms={"median": {"robust": True}},
)
