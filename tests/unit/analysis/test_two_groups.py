"""Seeds in two groups, as where some runs collapse: found where they are, as rarely as alpha where they are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from ablative import analysis
from ablative.analysis.numbers.two_groups import two_groups
from ablative.analysis.showing.answer import answer
from ablative.analysis.showing.findings import findings
from ablative.orchestrator.storing.records import Record
from tests.helpers.results import StudyResults


def test_runs_that_collapsed_are_told_from_the_others_and_counted() -> None:
    found = two_groups([0.31, 0.10, 0.30, 0.32, 0.11, 0.305])

    assert found is not None
    assert found[1] == 2
    assert found[0] < 0.001


def test_one_run_far_from_all_others_is_a_group() -> None:
    found = two_groups([0.50, 0.52, 0.51, 0.10, 0.515, 0.505])

    assert found is not None and found[1] == 1 and found[0] < 0.001


@pytest.mark.parametrize("size", [6, 12])
def test_normal_values_fall_into_two_groups_as_rarely_as_alpha(size: int) -> None:
    draw = np.random.default_rng(size)
    found = [two_groups(draw.normal(3.0, 0.2, size).tolist()) for _ in range(500)]
    hits = sum(one is not None and one[0] <= 0.05 for one in found)

    low, high = stats.binom.interval(0.9999, 500, 0.05)
    assert low <= hits <= high


def test_few_values_and_equal_ones_say_nothing() -> None:
    assert two_groups([0.1, 0.1, 0.5]) is None
    assert two_groups([0.4] * 6) is None


STUDY = StudyResults(proposals=0, confirm=tuple(range(1, 9)), seed_noise=0.005, noise=0.005)


def collapsed(record: Record) -> Record:
    hit = (record.arm, record.phase, record.task, record.data_fraction) == ("clip_td", "confirm", "vqa", 0.05)
    if not hit or record.seed > 3:
        return record
    return record.model_copy(update={"metrics": {name: value - 0.3 for name, value in record.metrics.items()}})


def test_the_answer_names_the_cell_whose_seeds_are_two_groups(tmp_path: Path) -> None:
    STUDY.write(str(tmp_path), collapsed)
    said = " ".join(answer(findings(analysis.load(str(tmp_path)), STUDY.study)))

    assert "Confirm seeds fall into two groups: clip_td at task.name=vqa, task.data_fraction=0.05 (3 of 8 near" in said
    assert said.count(" near ") == 2, "no other cell"


def test_a_study_without_such_cells_says_nothing_of_groups(tmp_path: Path) -> None:
    STUDY.write(str(tmp_path))

    assert "two groups" not in " ".join(answer(findings(analysis.load(str(tmp_path)), STUDY.study)))
