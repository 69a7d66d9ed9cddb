"""The view `disagreements`: each arm against the reference, example by example, if predictions are kept."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from ablative.analysis.numbers.bootstrap import FEW
from ablative.analysis.numbers.paired_tests import by_cluster
from ablative.analysis.numbers.paired_tests import clustered_mcnemar_p_value
from ablative.analysis.numbers.paired_tests import mixed_bootstrap_interval
from ablative.analysis.pairing.outcomes import UNKNOWN
from ablative.analysis.pairing.outcomes import Outcomes
from ablative.analysis.pairing.outcomes import PairedScores
from ablative.analysis.pairing.outcomes import outcomes_of
from ablative.analysis.pairing.verdicts import SEED
from ablative.analysis.plan import StudyPlan

DISAGREEMENT_SCHEMA = pa.schema(
    [
        pa.field("study", pa.string(), nullable=False),
        pa.field("arm", pa.string(), nullable=False),
        pa.field("reference", pa.string(), nullable=False),
        pa.field("condition", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("seed", pa.int64()),
        pa.field("n_pairs", pa.int64(), nullable=False),
        pa.field("examples", pa.int64(), nullable=False),
        pa.field("clusters", pa.int64(), nullable=False),
        pa.field("only_arm", pa.int64()),
        pa.field("only_reference", pa.int64()),
        pa.field("difference", pa.float64()),
        pa.field("mixed_ci_low", pa.float64()),
        pa.field("mixed_ci_high", pa.float64()),
        pa.field("p_mcnemar", pa.float64()),
        pa.field("planned", pa.int64(), nullable=False),
        pa.field("failed", pa.int64(), nullable=False),
        pa.field("missing", pa.int64(), nullable=False),
        pa.field("note", pa.string(), nullable=False),
    ]
)


def disagreements_view(records: pa.Table, predictions: Iterable[pa.Table], plan: StudyPlan) -> pa.Table:
    """Return a row per seed and one over all seeds, for each arm in each condition, on the headline's split.

    `records`: with the columns `OBSERVED`; `predictions`: in parts, with the columns `COLUMNS`. McNemar's test stands
    in the rows of one seed; the interval over seeds and examples in the row over all, whose seed is null.
    """
    split = plan.headline.partition("/")[0]
    outcomes = outcomes_of(records, predictions, plan, split)
    rows: list[dict[str, Any]] = []
    for label in plan.conditions:
        for arm in plan.arms:
            if arm != plan.reference:
                paired = outcomes.paired(arm, plan.reference or "", label)
                row = {**_row(arm, label, split, plan), **_counts(outcomes, arm, label, plan)}
                rows += [{**row, **numbers} for numbers in _numbers(paired)]
    return pa.Table.from_pylist(rows, schema=DISAGREEMENT_SCHEMA)


def _row(arm: str, label: str, split: str, plan: StudyPlan) -> dict[str, Any]:
    return {"study": plan.study, "arm": arm, "reference": plan.reference, "condition": label, "split": split}


def _numbers(paired: PairedScores) -> Iterator[dict[str, Any]]:
    differences = paired.arm - paired.reference
    pairs, examples = differences.shape
    sums, sizes = by_cluster(differences, paired.clusters) if differences.size else (differences, paired.clusters)
    shape = {"examples": examples, "clusters": len(sizes)}
    low, high = mixed_bootstrap_interval(sums, sizes, np.random.default_rng(SEED)) or (None, None)
    yield {
        **shape,
        "n_pairs": pairs,
        "difference": float(differences.mean()) if differences.size else None,
        "mixed_ci_low": low,
        "mixed_ci_high": high,
        "note": "; ".join(_notes(paired)),
    }
    said = "; ".join(filter(None, (_soft(paired), _unclustered(paired))))
    for position, seed in enumerate(paired.seeds):
        yield {**shape, "seed": seed, "n_pairs": 1, **_of_seed(paired, position, sums[position]), "note": said}


def _of_seed(paired: PairedScores, position: int, sums: np.ndarray) -> dict[str, Any]:
    mine, other = paired.arm[position], paired.reference[position]
    difference = {"difference": float(np.mean(mine - other)) if mine.size else None}
    if not paired.binary or not mine.size:
        return difference
    return {
        **difference,
        "only_arm": int(np.sum(mine > other)),
        "only_reference": int(np.sum(mine < other)),
        "p_mcnemar": clustered_mcnemar_p_value(sums),
    }


def _notes(paired: PairedScores) -> list[str]:
    if not paired.seeds:
        return ["no seed of which both arms have predictions"]
    few = f"an interval of {len(paired.seeds)} seeds is too narrow" if len(paired.seeds) < FEW else ""
    return [note for note in (few, _soft(paired), _unclustered(paired)) if note]


def _unclustered(paired: PairedScores) -> str:
    return "" if paired.known else UNKNOWN


def _soft(paired: PairedScores) -> str:
    return "" if paired.binary else "scores between 0 and 1: no test of right against wrong"


def _counts(outcomes: Outcomes, arm: str, label: str, plan: StudyPlan) -> dict[str, int]:
    """Trials of the arm and of the reference in one condition."""
    both = (arm, plan.reference or "")
    planned = sum(plan.confirm_planned.get((name, label), 0) for name in both)
    statuses = [
        status for place, (_, status) in outcomes.trials.items() if place[:2] in {(name, label) for name in both}
    ]
    failed = sum(status != "completed" for status in statuses)
    return {"planned": planned, "failed": failed, "missing": planned - len(statuses)}
