"""What the choice of test examples leaves open, from outcomes of single examples."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from ablative import analysis
from ablative.analysis.numbers.examples import both_interval
from ablative.analysis.numbers.examples import example_variance
from ablative.analysis.numbers.statistics import t_interval
from ablative.analysis.showing.paper_table import paper_table
from ablative.analysis.showing.tables import results_table
from ablative.orchestrator.storing.store import Store
from ablative.trainables.job import Prediction
from tests.helpers.results import StudyResults

STUDY = StudyResults(arms=("base", "better"), conditions={"task.data_fraction": [0.1, 1.0]}, control="")
ROWS, ASKED = 40, 3


@cache
def score(arm: str, seed: int, example: int) -> float:
    """What is hard is so under every seed, and by the picture; the other arm gets some pictures more right."""
    picture = example // ASKED
    hard, gain = np.random.default_rng(picture).uniform(size=2)
    noise = np.random.default_rng([seed, example, len(arm)]).uniform()
    return float(hard + 0.2 * noise < (0.6 if arm == "base" else 0.6 + 0.3 * gain))


def write(
    path: Path, metric: Callable[[list[float]], float], *, row: Callable[[int], str], cluster: str | None
) -> Any:
    store = Store.open(str(path))
    store.write_study(STUDY.study, STUDY.stored())
    for record in STUDY.records():
        if record.phase == "confirm":
            scores = [score(record.arm, record.seed, number) for number in range(ROWS * ASKED)]
            said = [
                Prediction(
                    split="test",
                    example_id=f"e{number}",
                    prediction="yes",
                    score=one,
                    row_id=row(number),
                    cluster=f"{number // ASKED}.png" if cluster is None else cluster,
                )
                for number, one in enumerate(scores)
            ]
            store.write(record.model_copy(update={"metrics": {"test/accuracy": metric(scores)}}), predictions=said)
    return analysis.load(str(path), STUDY.study)


def whole_rows(scores: list[float]) -> float:
    return float(np.mean([all(scores[start : start + ASKED]) for start in range(0, len(scores), ASKED)]))


def test_the_interval_over_seeds_and_examples_holds_that_over_seeds_and_is_wider_by_pictures(tmp_path: Path) -> None:
    by_picture, alone = (
        write(tmp_path / name, lambda s: float(np.mean(s)), row=lambda _: "", cluster=cluster).test_size.to_pylist()
        for name, cluster in (("pictures", None), ("alone", "-"))
    )

    assert [row["family"] for row in by_picture] == ["pooled", "cells", "cells"]
    for row, other in zip(by_picture, alone, strict=True):
        assert (row["examples"], row["clusters"], other["clusters"]) == (120, 40, 120)
        assert row["both_ci_low"] < row["diff_ci_low"] < row["diff_ci_high"] < row["both_ci_high"]
        assert row["example_half"] > 1.3 * other["example_half"] > 0
        assert row["note"] == ""


def test_a_metric_of_whole_rows_is_found_and_resampled_by_rows(tmp_path: Path) -> None:
    results = write(tmp_path, whole_rows, row=lambda number: f"r{number // ASKED}", cluster="-")

    row = results.test_size.to_pylist()[0]
    assert (row["examples"], row["clusters"]) == (ROWS, ROWS)
    assert row["example_half"] > 0


def test_a_metric_that_is_no_mean_of_outcomes_gets_no_interval_and_the_answer_is_silent(tmp_path: Path) -> None:
    results = write(tmp_path, lambda scores: 0.123 + np.mean(scores) ** 2, row=lambda _: "", cluster="-")

    assert {(row["both_ci_low"], row["example_half"]) for row in results.test_size.to_pylist()} == {(None, None)}
    assert {row["note"] for row in results.test_size.to_pylist()} == {
        "the metric is no mean over examples or rows, so nothing is known of single ones"
    }
    assert "test set's" not in results_table(results, STUDY.study)


def test_nothing_is_said_where_no_predictions_are_kept(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    store.write_study(STUDY.study, STUDY.stored())
    for record in STUDY.records():
        store.write(record)
    results = analysis.load(str(tmp_path), STUDY.study)

    assert {row["both_ci_low"] for row in results.test_size.to_pylist()} == {None}
    assert "seeds and examples" not in results_table(results, STUDY.study)


def test_answer_and_table_say_what_the_test_set_leaves_open(tmp_path: Path) -> None:
    results = write(tmp_path, lambda scores: float(np.mean(scores)), row=lambda _: "", cluster=None)

    shown = results_table(results, STUDY.study)

    assert "The test set has 120 examples in 40 clusters, which leaves an uncertainty of ±" in shown.replace("\n", " ")
    (heading,) = (line for line in shown.splitlines() if "p corrected" in line and "seeds and examples" in line)
    rows = shown.partition(heading)[2].splitlines()
    better = next(line for line in rows if line.startswith(" better "))
    assert better.count(" to ") == 2


def test_the_table_of_a_paper_says_it_below_and_that_of_another_metric_does_not(tmp_path: Path) -> None:
    results = write(tmp_path, lambda scores: float(np.mean(scores)), row=lambda _: "", cluster=None)

    (note,) = (line for line in paper_table(results, STUDY.study).notes if "The test set has" in line)
    assert note.startswith("The test set has 120 examples in 40 clusters, which leaves an uncertainty of ± ")
    assert note.endswith(" in the difference of better that more seeds cannot reduce")


@pytest.mark.parametrize("of_clusters", [0.0, 0.3, 1.0])
def test_the_variance_of_examples_is_what_other_test_sets_would_show(of_clusters: float) -> None:
    """On average over test sets, with what seeds and examples do together taken off."""
    rng, seeds, clusters, asked = np.random.default_rng(3), 4, 50, 3
    means, found = [], []
    for _ in range(2000):
        picture = rng.normal(size=(1, clusters)) * of_clusters
        own = rng.normal(size=(clusters, asked)).mean(axis=1)
        both = rng.normal(size=(seeds, clusters, asked)).mean(axis=2)
        values = picture + own + both
        means.append(values.mean())
        variance = example_variance(values / clusters, np.full(clusters, asked))
        assert variance is not None
        found.append(variance.value)

    together = 1 / (seeds * clusters * asked)  # which the interval over seeds counts
    assert np.mean(found) == pytest.approx(np.var(means) - together, rel=0.1)


def test_without_variance_of_examples_the_interval_is_students_over_seeds() -> None:
    same = example_variance(np.ones((3, 5)) / 5, np.ones(5))
    assert same is not None and same.value == 0
    assert both_interval([0.1, 0.2, 0.4], same) == pytest.approx(t_interval([0.1, 0.2, 0.4]))
    assert both_interval([0.1], same) is None and example_variance(np.ones((3, 1)), np.ones(1)) is None
    assert stats.norm.ppf(0.975) * 0 == same.half
