"""The view `disagreements`: each arm against the reference, example by example, where predictions are kept."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ablative.analysis.numbers.bootstrap import FEW
from ablative.analysis.numbers.paired_tests import mcnemar_p_value
from ablative.analysis.numbers.paired_tests import mixed_bootstrap_interval
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Scores of one trial, each of shape (examples,)."""

    examples: np.ndarray
    """Numbers of the examples, rising."""
    scores: np.ndarray

    def of(self, examples: np.ndarray) -> np.ndarray:
        """Return the scores of `examples`, all of which it has."""
        return self.scores[np.searchsorted(self.examples, examples)]


Scores = Mapping[int, Scored]
"""Confirm seed -> scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """Scores of two arms on the examples that all their common seeds have, each of shape (seeds, examples)."""

    seeds: tuple[int, ...]
    arm: np.ndarray
    reference: np.ndarray

    @property
    def binary(self) -> bool:
        """Whether every example is either right or wrong."""
        return bool(np.isin(self.arm, (0, 1)).all() and np.isin(self.reference, (0, 1)).all())


def disagreements_view(records: pa.Table, predictions: pa.Table, plan: StudyPlan) -> pa.Table:
    """Return a row for each seed and one over all seeds, of each arm in each condition, on the headline's split.

    `predictions`: in `PREDICTION_SCHEMA`. McNemar's test stands in the rows of one seed, the interval over seeds and
    examples in the row over all, whose seed is null.
    """
    split = plan.headline.partition("/")[0]
    kept = _scores(predictions.filter(pc.field("split") == split))
    places = _places(records, plan)
    rows: list[dict[str, Any]] = []
    for label in plan.conditions:
        reference = _of(places, kept, plan.reference or "", label)
        for arm in plan.arms:
            if arm != plan.reference:
                paired = _paired(_of(places, kept, arm, label), reference)
                row = {**_row(arm, label, split, plan), **_counts(places, arm, label, plan)}
                rows += [{**row, **numbers} for numbers in _numbers(paired)]
    return pa.Table.from_pylist(rows, schema=DISAGREEMENT_SCHEMA)


def _row(arm: str, label: str, split: str, plan: StudyPlan) -> dict[str, Any]:
    return {"study": plan.study, "arm": arm, "reference": plan.reference, "condition": label, "split": split}


def _numbers(paired: Paired) -> Iterator[dict[str, Any]]:
    differences = paired.arm - paired.reference
    pairs, examples = differences.shape
    low, high = mixed_bootstrap_interval(differences, np.random.default_rng(SEED)) or (None, None)
    yield {
        "n_pairs": pairs,
        "examples": examples,
        "difference": float(differences.mean()) if differences.size else None,
        "mixed_ci_low": low,
        "mixed_ci_high": high,
        "note": "; ".join(_notes(paired)),
    }
    for position, seed in enumerate(paired.seeds):
        yield {"seed": seed, "n_pairs": 1, "examples": examples, **_of_seed(paired, position), "note": _soft(paired)}


def _of_seed(paired: Paired, position: int) -> dict[str, Any]:
    mine, other = paired.arm[position], paired.reference[position]
    difference = {"difference": float(np.mean(mine - other)) if mine.size else None}
    if not paired.binary or not mine.size:
        return difference
    only_arm, only_reference = int(np.sum(mine > other)), int(np.sum(mine < other))
    return {
        **difference,
        "only_arm": only_arm,
        "only_reference": only_reference,
        "p_mcnemar": mcnemar_p_value(only_arm, only_reference),
    }


def _notes(paired: Paired) -> list[str]:
    if not paired.seeds:
        return ["no seed of which both arms have predictions"]
    few = f"an interval of {len(paired.seeds)} seeds is too narrow" if len(paired.seeds) < FEW else ""
    return [note for note in (few, _soft(paired)) if note]


def _soft(paired: Paired) -> str:
    return "" if paired.binary else "scores between 0 and 1: no test of right against wrong"


def _paired(arm: Scores, reference: Scores) -> Paired:
    seeds = tuple(sorted(arm.keys() & reference.keys()))
    every = [side[seed].examples for side in (arm, reference) for seed in seeds]
    examples = reduce(np.intersect1d, every) if every else np.array([], dtype=np.int64)
    tables = [
        np.array([side[seed].of(examples) for seed in seeds]).reshape(len(seeds), len(examples))
        for side in (arm, reference)
    ]
    return Paired(seeds=seeds, arm=tables[0], reference=tables[1])


Places = Mapping[tuple[str, str, int], tuple[str, str]]
"""(Arm, condition label, confirm seed) -> (trial id, status)."""


def _places(records: pa.Table, plan: StudyPlan) -> Places:
    columns = [records[name].to_pylist() for name in (plan.place_column, "seed", "trial_id", "status", "phase")]
    return {
        (cell.arm, cell.label, seed): (trial, status)
        for name, seed, trial, status, phase in zip(*columns, strict=True)
        if phase == "confirm" and seed in plan.seeds.confirm and (cell := plan.cells_at.get(name)) is not None
        if plan.current is None or trial in plan.current
    }


def _counts(places: Places, arm: str, label: str, plan: StudyPlan) -> dict[str, int]:
    """Trials of the arm and of the reference in one condition."""
    both = (arm, plan.reference or "")
    planned = sum(plan.confirm_planned.get((name, label), 0) for name in both)
    statuses = [status for place, (_, status) in places.items() if place[:2] in {(name, label) for name in both}]
    failed = sum(status != "completed" for status in statuses)
    return {"planned": planned, "failed": failed, "missing": planned - len(statuses)}


def _of(places: Places, kept: Mapping[str, Scored], arm: str, label: str) -> Scores:
    return {
        seed: kept[trial]
        for (name, condition, seed), (trial, status) in places.items()
        if (name, condition) == (arm, label) and status == "completed" and trial in kept
    }


def _scores(predictions: pa.Table) -> dict[str, Scored]:
    """Return trial id -> its scores; a number stands for the same example in every trial."""
    trials = predictions["trial_id"].combine_chunks().dictionary_encode()
    codes = trials.indices.to_numpy()
    examples = predictions["example_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    scores = predictions["score"].to_numpy()
    order = np.lexsort((examples, codes))
    bounds = np.searchsorted(codes[order], np.arange(len(trials.dictionary) + 1))
    parts = [order[start:end] for start, end in pairwise(bounds)]
    return {
        trial: Scored(examples=examples[part], scores=scores[part])
        for trial, part in zip(trials.dictionary.to_pylist(), parts, strict=True)
    }
