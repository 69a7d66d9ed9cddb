"""Whether a study's own records show that its tasks are not independent blocks under one seed."""

from __future__ import annotations

import numpy as np

from ablative.analysis.numbers.same_seed import FEWEST
from ablative.analysis.numbers.same_seed import correlation
from ablative.analysis.numbers.same_seed import moves_together
from ablative.analysis.pairing.observations import Observations
from ablative.analysis.pairing.pairing import pairing_of
from ablative.analysis.plan import StudyPlan

SURE = 0.05
SEED = 0


def same_seed_line(observations: Observations, plan: StudyPlan) -> str:
    """Report that differences of two tasks move together under a seed, if this is shown; else empty.

    For the headline metric, in the seeds that all arms have under all conditions.
    """
    if plan.comparisons.blocks == "seed":
        return ""
    differences = _differences(observations, plan)
    if differences is None or moves_together(differences, np.random.default_rng(SEED)) > SURE:
        return ""
    return (
        f"Differences of two tasks under one seed move together (correlation {correlation(differences):.2f}): blocks "
        "of task and seed are not independent here, and intervals too narrow; `comparisons.blocks: seed` counts seeds."
    )


def _differences(observations: Observations, plan: StudyPlan) -> np.ndarray | None:
    """Return the differences (arms, tasks, seeds); None with one task, or too few common seeds."""
    pairing = pairing_of(observations, plan, plan.headline)
    arms = [arm for arm in plan.arms if arm != plan.reference]
    if len(pairing.by_task(None)) < 2 or not arms or plan.reference is None:
        return None
    values = {arm: pairing.blocks(arm) for arm in plan.arms}
    tasks = dict.fromkeys(task for task, _ in values[plan.reference])
    units = [set(blocks) for blocks in values.values()]
    seeds = [seed for seed in plan.seeds.confirm if all((task, seed) in own for own in units for task in tasks)]
    if len(tasks) < 2 or len(seeds) < FEWEST:
        return None
    reference = values[plan.reference]
    return np.array(
        [[[values[arm][task, seed] - reference[task, seed] for seed in seeds] for task in tasks] for arm in arms]
    )
