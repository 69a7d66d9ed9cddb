"""Test questions that share a picture, by simulation: `python benchmarks/clusters.py [--quick]`.

Two arms answer the same questions, several of each picture, under six seeds; nothing is true. Whether an arm gets a
question right depends on the picture, on the question, and on training (seed and question), so that questions of one
picture move together. Printed is how often a test at .05 rejects, or a 95 % interval excludes zero:

- `mcnemar`: of one seed, by questions and by pictures; training moves single questions alone, as it is of two models;
- `mixed bootstrap`: seeds and questions, or seeds and pictures, drawn;
- `seeds`: Student's t over seeds, which treats the test questions as the whole population;
- `seeds and examples`: the interval of the headline, by questions and by pictures.

Prints a line a point and, at the end, one JSON object of all.
"""

from __future__ import annotations

import numpy as np

from ablative.analysis.numbers.examples import both_interval
from ablative.analysis.numbers.examples import example_variance
from ablative.analysis.numbers.paired_tests import by_cluster
from ablative.analysis.numbers.paired_tests import clustered_mcnemar_p_value
from ablative.analysis.numbers.paired_tests import mixed_bootstrap_interval
from ablative.analysis.numbers.statistics import t_interval
from simulation import Simulation
from simulation import options

ALPHA = 0.05
SEEDS = 6
QUESTIONS = 600
POINTS = ((1, 0.0), (3, 0.3), (3, 0.6), (10, 0.3))
"""Questions of a picture; share of an arm's own part of a question that is its picture's."""
OWN = 0.5
"""Standard deviation of an arm's own part of a question, where what both arms share has 1 and training .5."""


def answers(
    asked: int, share: float, rng: np.random.Generator, *, seeds: int = SEEDS, by_seed: float = 0.05
) -> tuple[np.ndarray, np.ndarray]:
    """Return differences of right answers, shape (seeds, questions), and the picture of each question.

    `by_seed`: standard deviation of what training moves all questions together.
    """
    pictures = QUESTIONS // asked
    of_picture = np.repeat(np.arange(pictures), asked)
    hard = rng.normal(size=pictures)[of_picture] * share**0.5 + rng.normal(size=QUESTIONS) * (1 - share) ** 0.5
    right = []
    for _ in range(2):
        own = rng.normal(size=pictures)[of_picture] * share**0.5 + rng.normal(size=QUESTIONS) * (1 - share) ** 0.5
        trained = rng.normal(size=(seeds, QUESTIONS)) * 0.5 + rng.normal(size=(seeds, 1)) * by_seed
        right.append((hard + OWN * own + trained > -0.5).astype(np.float64))
    return right[1] - right[0], of_picture


def errors(asked: int, share: float, rng: np.random.Generator) -> dict[str, bool]:
    """Return which methods err in one study without effect."""
    differences, of_picture = answers(asked, share, rng)
    models, _ = answers(asked, share, rng, seeds=1, by_seed=0.0)
    found: dict[str, bool] = {}
    low, high = t_interval(differences.mean(axis=1).tolist()) or (0.0, 0.0)
    found["seeds"] = not low <= 0 <= high
    for name, clusters in (("questions", np.arange(QUESTIONS)), ("pictures", of_picture)):
        sums, sizes = by_cluster(differences, clusters)
        found[f"mcnemar, {name}"] = clustered_mcnemar_p_value(by_cluster(models[0], clusters)[0]) <= ALPHA
        low, high = mixed_bootstrap_interval(sums, sizes, rng, resamples=400) or (0.0, 0.0)
        found[f"mixed bootstrap, {name}"] = not low <= 0 <= high
        variance = example_variance(sums / QUESTIONS, sizes)
        assert variance is not None
        low, high = both_interval(differences.mean(axis=1).tolist(), variance) or (0.0, 0.0)
        found[f"seeds and examples, {name}"] = not low <= 0 <= high
    return found


def main() -> None:
    """Measure every point."""
    simulation = Simulation("clusters", options(__doc__), studies=2000, quick=50)
    for asked, share in POINTS:
        rng = np.random.default_rng([simulation.seed, asked, int(100 * share)])
        found = [errors(asked, share, rng) for _ in range(simulation.studies)]
        rates = {name: round(float(np.mean([one[name] for one in found])), 4) for name in found[0]}
        simulation.add({"asked": asked, "share": share, "errors": rates})
    simulation.end(ALPHA)


if __name__ == "__main__":
    main()
