"""A way to train: a configuration, and a function that runs one trial of it. Yours may use whatever it likes."""

from functools import cache
from typing import Any

import numpy as np

from ablative import Course
from ablative import Field
from ablative import Link
from ablative import Options
from ablative import Roles
from ablative import Trainable
from ablative import TrialJob
from ablative import TrialOutcome

SIZES = {"train": 1000, "val": 200, "test": 200}


class Config(Options):
    """One trial: every field has a default, and a study sets and searches them by their names."""

    decay: float = Field(0.0, ge=0, le=10, description="Weight decay.")
    lr: float = Field(0.1, gt=0, le=10, description="Learning rate.")
    steps: int = Field(60, ge=1, le=100_000, description="Training steps.")
    evaluations: int = Field(3, ge=1, le=100, description="How often val is evaluated.")
    data_fraction: float = Field(1.0, gt=0, le=1, description="Share of the training rows.")


@cache
def rows(split: str) -> tuple[Any, Any]:
    """Return inputs (N, 20) and labels (N,) of a split: here they are drawn, the same ones each time."""
    direction = np.random.default_rng(0).normal(size=20)
    rng = np.random.default_rng(1 + list(SIZES).index(split))
    inputs = rng.normal(size=(SIZES[split], 20))
    return inputs, inputs @ direction + 2 * rng.normal(size=SIZES[split]) > 0


def run(job: TrialJob, link: Link) -> TrialOutcome:
    """Train until each evaluation and report it; the course stops, saves and goes on as the study wants."""
    config: Config = job.config
    course = Course(job, link, evaluations=min(config.evaluations, config.steps))
    inputs, labels = rows("train")
    size = max(1, round(len(inputs) * config.data_fraction))
    chosen = np.random.default_rng(job.seed).permutation(len(inputs))[:size]  # the same for all arms of a seed
    inputs, labels = inputs[chosen], labels[chosen]
    weights = np.frombuffer(course.resumed).copy() if course.resumed else np.zeros(20)

    def accuracy(split: str) -> float:
        seen, right = rows(split)
        return float(((seen @ weights > 0) == right).mean())

    for number in course:
        until = config.steps * number // course.evaluations
        for _ in range(course.step, until):
            errors = 1 / (1 + np.exp(-inputs @ weights)) - labels
            weights -= config.lr * (errors @ inputs / len(inputs) + config.decay * weights)
        course.report(until, lambda: accuracy("val"), weights.tobytes)
    return course.outcome(accuracy, facts={"train/examples": float(len(inputs))})


PARTS = [
    Trainable(
        name="starter",
        description="A classifier on rows that are drawn.",
        config=Config,
        run=run,
        roles=Roles(data_fraction="data_fraction", evaluations="evaluations"),
        arms={"plain": {}, "decay": {"decay": 0.1}},
    )
]
