"""What `ablate simulate --json` says."""

from __future__ import annotations

from typing import Literal

from ablative.analysis.views.power import ArmPower
from ablative.analysis.views.power import Share
from ablative.analysis.views.power import Tally
from ablative.frozen import Answer
from ablative.orchestrator.simulating.assumptions import Assumptions
from ablative.orchestrator.simulating.simulation import MeanCost


class ShareAnswer(Answer):
    """In how many of the studies something happened."""

    count: int
    share: float
    low: float
    """Lower end of its 95 % interval, from the number of studies alone."""
    high: float


class ArmAnswer(Answer):
    """What the studies decided on one arm against the reference arm: primary comparison, corrected."""

    arm: str
    is_control: bool
    true_effect: float
    """Arm minus reference, each at its best setting."""
    found: ShareAnswer
    """Decided as different with the right sign; without a true effect, with any sign: a false positive."""
    wrong_sign: ShareAnswer
    not_enough_seeds: ShareAnswer
    covered: ShareAnswer
    """The interval of the difference held the true effect."""
    mean_estimate: float | None
    bias: float | None
    """Mean estimate less true effect."""
    mean_interval_width: float | None


class SimulateAnswer(Answer):
    """The answer of `ablate simulate --json`."""

    simulate_version: Literal[1] = 1
    study: str
    seed: int
    slots: int
    """Trials at once."""
    assumed: Assumptions
    metric: str
    """`split/name`: the study's headline."""
    reference: str
    alpha: float
    """What the study allows `family_wise_false` to be."""
    studies: int
    """How many were simulated."""
    family_wise_false: ShareAnswer
    """Saw a difference of at least one arm that has none."""
    arms: tuple[ArmAnswer, ...]
    mean_cost: MeanCost


def simulate_answer(
    tally: Tally, *, study: str, seed: int, slots: int, assumed: Assumptions, cost: MeanCost
) -> SimulateAnswer:
    """Return what the simulated studies found, and what they would take."""
    return SimulateAnswer(
        study=study,
        seed=seed,
        slots=slots,
        assumed=assumed,
        metric=tally.headline,
        reference=tally.reference,
        alpha=tally.alpha,
        studies=tally.studies,
        family_wise_false=_share(tally.any_false),
        arms=tuple(map(_arm, tally.arms())),
        mean_cost=cost,
    )


def _arm(arm: ArmPower) -> ArmAnswer:
    return ArmAnswer(
        arm=arm.arm,
        is_control=arm.is_control,
        true_effect=arm.true_effect,
        found=_share(arm.found),
        wrong_sign=_share(arm.wrong_sign),
        not_enough_seeds=_share(arm.not_enough),
        covered=_share(arm.covered),
        mean_estimate=arm.mean_estimate,
        bias=arm.bias,
        mean_interval_width=arm.mean_width,
    )


def _share(share: Share) -> ShareAnswer:
    low, high = share.interval
    return ShareAnswer(count=share.count, share=share.value, low=low, high=high)
