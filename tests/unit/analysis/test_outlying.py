"""Single blocks far from all others: named with their seed where they are, as rarely as alpha where they are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from ablative import analysis
from ablative.analysis.numbers.outlying import outlying
from ablative.analysis.showing.answer import answer
from ablative.analysis.showing.findings import findings
from ablative.orchestrator.storing.records import Record
from tests.helpers.results import StudyResults


def test_a_difference_far_from_all_others_is_found_with_its_place() -> None:
    found = outlying([0.01, 0.02, 0.012, -0.3, 0.015, 0.018])

    assert found is not None and found[1] == 3 and found[0] < 0.02


@pytest.mark.parametrize("size", [6, 12])
def test_normal_differences_have_one_as_rarely_as_alpha(size: int) -> None:
    draw = np.random.default_rng(size)
    found = [outlying(draw.normal(3.0, 0.2, size).tolist()) for _ in range(500)]
    hits = sum(one is not None and one[0] <= 0.05 for one in found)

    low, high = stats.binom.interval(0.9999, 500, 0.05)
    assert low <= hits <= high


def test_few_differences_and_equal_ones_say_nothing() -> None:
    assert outlying([0.1, 0.1, 0.5, 3.0]) is None
    assert outlying([0.4] * 5 + [1.0]) is None


STUDY = StudyResults(proposals=0, control="", arms=("base", "clip_td"), seed_noise=0.005, noise=0.005)


def collapsed(record: Record) -> Record:
    if (record.arm, record.task, record.seed) != ("clip_td", "vqa", 4):
        return record
    return record.model_copy(update={"metrics": {name: value - 0.4 for name, value in record.metrics.items()}})


@pytest.mark.parametrize(
    ("estimate", "remedy"), [("mean", "declare `comparisons.estimate`"), ("median", "nothing is")]
)
def test_the_answer_names_the_block_and_its_seed(tmp_path: Path, estimate: str, remedy: str) -> None:
    comparisons = {"correction": "holm", "alpha": 0.05, "estimate": estimate}
    study = StudyResults(**{**{name: getattr(STUDY, name) for name in STUDY.__slots__}, "comparisons": comparisons})
    study.write(str(tmp_path), collapsed)

    said = " ".join(answer(findings(analysis.load(str(tmp_path)), study.study)))

    assert "far from all others of their arm: clip_td under seed 4 of vqa (-0." in said and remedy in said
    assert ("medians of paired differences" in said) == (estimate == "median")


def test_a_study_without_such_a_block_says_nothing(tmp_path: Path) -> None:
    STUDY.write(str(tmp_path))

    assert "far from all others" not in " ".join(answer(findings(analysis.load(str(tmp_path)), STUDY.study)))
