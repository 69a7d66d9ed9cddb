"""A thousand studies without any effect, through the code that judges real ones: false findings within their band."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy import stats

from ablative.analysis.numbers.paired_tests import wilcoxon_p_value
from ablative.analysis.pairing.observations import Observations
from ablative.analysis.pairing.verdicts import SHOWN
from ablative.analysis.plan import StudyPlan
from ablative.analysis.plan import read_plan
from ablative.analysis.views.contrasts import pooled_contrasts
from ablative.analysis.views.effects import pooled_rows
from ablative.search_spaces.study import Arms

pytestmark = pytest.mark.slow

STUDIES = 1000
TASKS, FRACTIONS, SEEDS = ("snli_ve", "vqa"), (0.01, 0.05), (1, 2, 3, 4, 5, 6)
FACTORS = {name: {"with": {f"distillation.terms.{name}": 1.0}} for name in ("image", "tokens")}
ARMS = ("base", "with_tokens", "with_image", "with_image+with_tokens")
SCATTER = {"base": 0.5, "with_tokens": 1.0, "with_image": 1.5, "with_image+with_tokens": 3.0}
"""Arms differ in how much they scatter, not in what they reach: no test may take the one for the other."""


@cache
def plan() -> StudyPlan:
    arms = Arms.model_validate({"design": "factorial", "factors": FACTORS}).model_dump(mode="json")
    conditions = [{"task.name": task, "task.data_fraction": part} for task, part in product(TASKS, FRACTIONS)]
    cells = [
        {
            "name": f"{arm} {condition}",
            "cell_id": f"{arm} {condition}",
            "arm": arm,
            "is_reference": arm == "base",
            "condition": condition,
            "confirm_total": len(SEEDS),
        }
        for condition in conditions
        for arm in ARMS
    ]
    seeds = {"search": [0], "confirm": SEEDS}
    return read_plan(
        {"study": "null", "target": {"metric": "val/accuracy"}, "seeds": seeds, "arms": arms, "cells": cells}
    )


def null_studies() -> Iterator[Observations]:
    """Heavy-tailed values: a level of task and seed that all arms share, and each trial's own scatter."""
    rng = np.random.default_rng(2026)
    tasks = {cell.label: cell.condition["task.name"] for cell in plan().cells}
    for _ in range(STUDIES):
        shared = {task: rng.normal(0, 5, len(SEEDS)) for task in TASKS}
        values = {
            (cell.arm, cell.label): dict(
                zip(
                    SEEDS,
                    shared[tasks[cell.label]] + SCATTER[cell.arm] * rng.standard_t(3, len(SEEDS)),
                    strict=True,
                )
            )
            for cell in plan().cells
        }
        yield Observations(
            values={plan().headline: values},
            completed={place: frozenset(found) for place, found in values.items()},
            failed={},
            tasks=tasks,
        )


@pytest.fixture(scope="module")
def found() -> list[tuple[list[dict[str, Any]], Any]]:
    return [(pooled_rows(study, plan()), pooled_contrasts(study, plan())) for study in null_studies()]


def band(level: float) -> tuple[float, float]:
    """Numbers of false findings that a test of this level leaves to chance, but for once in 10,000 times."""
    low, high = stats.binom.interval(0.9999, STUDIES, level)
    return float(low), float(high)


SIGN_FLIP_LEVEL = np.floor(0.05 * 2**11) / 2**11
"""The largest level not above 0.05 that 12 pairs can attain."""


def wilcoxon_level(pairs: int) -> float:
    """The share of all sign patterns of ranks whose p-value is at most 0.05."""
    ranks = np.arange(1, pairs + 1)
    sums = np.array([ranks @ np.array(signs) for signs in product((0, 1), repeat=pairs)])
    counts = np.bincount(sums)
    tails = np.cumsum(counts) / counts.sum()
    return float(2 * max(tail for tail in tails if 2 * tail <= 0.05))


def test_effects_find_something_in_no_more_studies_than_alpha_allows(found: Any) -> None:
    false = sum(any(row["verdict"] in SHOWN for row in rows) for rows, _ in found)

    assert false <= band(0.05)[1]


@pytest.mark.parametrize("kind", ["arms", "main effect", "interaction"])
def test_contrasts_find_something_in_no_more_studies_than_alpha_allows(found: Any, kind: str) -> None:
    false = sum(
        any(judgement.p_corrected <= 0.05 for item, judgement in judged if item.term.kind == kind)
        for _, judged in found
    )

    assert 0 < false <= band(0.05)[1]


@pytest.mark.parametrize("position", range(9))
def test_each_contrast_alone_rejects_as_often_as_its_level_says(found: Any, position: int) -> None:
    """Six pairs of arms, two main effects, one interaction: neither too often nor too rarely."""
    rejected = sum(judged[position][1].p_value <= 0.05 for _, judged in found)

    low, high = band(SIGN_FLIP_LEVEL)
    assert low <= rejected <= high


def test_wilcoxons_test_rejects_as_often_as_its_level_says(found: Any) -> None:
    rejected = sum(wilcoxon_p_value(judged[0][0].differences) <= 0.05 for _, judged in found)  # type: ignore[operator]

    low, high = band(wilcoxon_level(12))
    assert low <= rejected <= high


def test_intervals_of_differences_miss_zero_no_more_often_than_they_say(found: Any) -> None:
    """Student's t under heavy tails is wide rather than narrow."""
    outside = 0
    for _, judged in found:
        low, high = judged[0][0].difference_interval
        outside += not low <= 0 <= high

    assert outside <= band(0.05)[1]
