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
    assert outlying([0.01, 0.02, 0.012, -0.3, 0.015, 0.018], 0.05) == (3,)


def test_two_far_ones_do_not_hide_each_other() -> None:
    assert set(outlying([0.01, -0.29, 0.012, -0.3, 0.015, 0.018, 0.011, 0.02], 0.05)) == {1, 3}


def test_the_values_of_rosner_1983_have_the_outliers_of_his_paper() -> None:
    """54 values with up to 10 outliers, of which three are found, as NIST's handbook (1.3.5.17.3) repeats it."""
    assert [round(ROSNER[place], 2) for place in outlying(ROSNER, 0.05)] == [6.01, 5.42, 5.34]


ROSNER = [
    *(-0.25, 0.68, 0.94, 1.15, 1.20, 1.26, 1.26, 1.34, 1.38, 1.43, 1.49, 1.49, 1.55, 1.56, 1.58, 1.65, 1.69, 1.70),
    *(1.76, 1.77, 1.81, 1.91, 1.94, 1.96, 1.99, 2.06, 2.09, 2.10, 2.14, 2.15, 2.23, 2.24, 2.26, 2.35, 2.37, 2.40),
    *(2.47, 2.54, 2.62, 2.64, 2.90, 2.92, 2.92, 2.93, 3.21, 3.26, 3.30, 3.59, 3.68, 4.30, 4.64, 5.34, 5.42, 6.01),
]


@pytest.mark.parametrize(("size", "most"), [(6, 0.06), (12, 0.09), (20, 0.08)])
def test_normal_differences_have_one_about_as_rarely_as_alpha(size: int, most: float) -> None:
    draw = np.random.default_rng(size)
    found = [bool(outlying(draw.normal(3.0, 0.2, size).tolist(), 0.05)) for _ in range(500)]

    assert sum(found) <= stats.binom.ppf(0.9999, 500, most)


def test_few_differences_and_equal_ones_say_nothing() -> None:
    assert outlying([0.1, 0.1, 0.5, 3.0], 0.05) == ()
    assert outlying([0.4] * 6, 0.05) == ()


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
