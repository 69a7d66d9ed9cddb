"""`simulated`, a trainable that trains nothing: the study says how good each arm is. Imports no torch.

Use it to try out designs, engines, stores and reports. Its trials take as long as the study says.
"""

from __future__ import annotations

from pydantic import Field

from ablative.trainables.job import Link
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from ablative.trainables.parts.trainable import Roles
from ablative.trainables.parts.trainable import Trainable
from ablative.trainables.settings import Rate
from ablative.trainables.settings import Settings
from ablative.trainables.simulated import EVALUATIONS
from ablative.trainables.simulated import Optimum
from ablative.trainables.simulated import SimulatedTrainable

BEST_LR = 5e-4
"""The setting with the best target."""
SPLITS = ("train", "val", "test", "test_shifted")


class SimulatedConfig(Settings):
    """The true effect of one arm, in units of the target, which is 0.5 without any effect."""

    effect: float = Field(0.0, ge=-1, le=1, description="Added to the target on every split.")
    lr: Rate = Field(BEST_LR, description="A setting to search: 0.0005 is best, ten times that costs 0.05.")
    data_fraction: float = Field(1.0, gt=0, le=1, description="Share of the data; a tenth of it costs 0.05.")
    noise: float = Field(
        0.01, ge=0, le=1, description="Standard deviation of a trial's own noise; seeds share twice that."
    )
    evaluations: int = Field(EVALUATIONS, ge=1, le=1000, description="How often a trial reports its target on val.")
    seconds: float = Field(0.0, ge=0, le=1e6, description="Length of a trial on all the data.")
    sleeps: bool = Field(False, description="Whether a trial really takes that long, or only records the time.")


ROLES = Roles(data_fraction="data_fraction", evaluations="evaluations")


def _run(job: TrialJob, link: Link) -> TrialOutcome:
    config: SimulatedConfig = job.config
    run = SimulatedTrainable(
        roles=ROLES,
        base=0.5 + config.effect,
        optima=(Optimum(path="lr", best=BEST_LR, loss=0.05),),
        own_sd=config.noise,
        shared_sd=2 * config.noise,
        curve_sd=config.noise,
        seconds=config.seconds,
        sleeps=config.sleeps,
    )
    return run(job, link)


SIMULATED = Trainable(
    name="simulated",
    description="Trains nothing: curves in closed form, to try out a design, a cluster or a store.",
    config=SimulatedConfig,
    run=_run,
    roles=ROLES,
    splits=lambda config: SPLITS,
    all_splits=lambda catalogue: SPLITS,
)

PARTS = [SIMULATED]
