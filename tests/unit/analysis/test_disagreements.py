"""Arms against the reference, example by example."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from ablative import analysis
from ablative.analysis.numbers.paired_tests import mixed_bootstrap_interval
from ablative.analysis.plan import StudyPlan
from ablative.analysis.plan import read_plan
from ablative.analysis.views.disagreements import disagreements_view
from ablative.orchestrator.storing.records import PREDICTION_SCHEMA
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.store import Store
from ablative.trainables.job import Prediction
from tests.helpers.results import StudyResults
from tests.helpers.results import as_failed

STUDY = StudyResults(arms=("base", "better"), conditions={}, confirm=(1, 2, 3), control="")
EXAMPLES = 200


def scores(record: Record) -> np.ndarray:
    """The reference gets 60 % right; the other arm the same and half of the rest."""
    rng = np.random.default_rng(record.seed)
    right = rng.uniform(size=EXAMPLES) < 0.6
    return right | (rng.uniform(size=EXAMPLES) < 0.5) if record.arm == "better" else right


def rows_of(
    by_trial: Mapping[str, np.ndarray],
    keep: Any = lambda record: record,
    plan: StudyPlan | None = None,
    drawn: Callable[[int], dict[str, Any]] = lambda number: {"row_id": "", "cluster": "-"},
) -> list[dict[str, Any]]:
    import pyarrow as pa

    rows = [
        {
            "trial_id": trial,
            "split": split,
            "example_id": f"e{number}",
            "prediction": "yes",
            "score": float(score),
            **drawn(number),
        }
        for trial, found in by_trial.items()
        for split, flip in (("test", False), ("val", True))
        for number, score in enumerate(1 - found.astype(float) if flip else found)
    ]
    predictions = pa.Table.from_pylist(rows, schema=PREDICTION_SCHEMA)
    return list(disagreements_view(STUDY.table(keep), [predictions], plan or read_plan(STUDY.stored())).to_pylist())


CONFIRMED = [record for record in STUDY.records() if record.phase == "confirm"]
KEPT = {record.trial_id: scores(record) for record in CONFIRMED}


def of(arm: str, seed: int) -> np.ndarray:
    return next(KEPT[record.trial_id] for record in CONFIRMED if (record.arm, record.seed) == (arm, seed))


def test_a_seed_is_tested_by_the_examples_that_only_one_arm_gets_right() -> None:
    rows = rows_of(KEPT)

    assert [row["seed"] for row in rows] == [None, 1, 2, 3]
    for row in rows[1:]:
        mine, other = of("better", row["seed"]), of("base", row["seed"])
        assert row["only_arm"] == np.sum(mine & ~other) and row["only_reference"] == np.sum(other & ~mine) == 0
        assert row["p_mcnemar"] == pytest.approx(stats.binomtest(0, row["only_arm"]).pvalue)
        assert row["difference"] == pytest.approx(mine.mean() - other.mean())


def test_the_row_over_all_seeds_has_the_interval_over_seeds_and_examples() -> None:
    row = rows_of(KEPT)[0]
    differences = np.array([of("better", s).astype(float) - of("base", s) for s in (1, 2, 3)])

    expected = mixed_bootstrap_interval(differences, np.ones(EXAMPLES), np.random.default_rng(20260))

    assert (row["mixed_ci_low"], row["mixed_ci_high"]) == pytest.approx(expected)
    assert row["mixed_ci_low"] < 0.2 < row["mixed_ci_high"]
    assert (row["n_pairs"], row["examples"], row["p_mcnemar"]) == (3, EXAMPLES, None)
    assert row["note"] == "an interval of 3 seeds is too narrow"


def test_examples_of_one_picture_are_drawn_and_tested_together() -> None:
    tripled = {trial: np.repeat(found[:60], 3) for trial, found in KEPT.items()}

    rows = rows_of(tripled, drawn=lambda number: {"row_id": "", "cluster": f"{number // 3}.png"})
    once = rows_of({trial: found[:60] for trial, found in KEPT.items()})

    assert [(row["examples"], row["clusters"]) for row in rows] == [(180, 60)] * 4
    ends = ("difference", "mixed_ci_low", "mixed_ci_high", "p_mcnemar", "note")
    assert [[row[name] for name in ends] for row in rows] == [
        [pytest.approx(row[name]) if isinstance(row[name], float) else row[name] for name in ends] for row in once
    ]


def test_questions_of_one_row_are_together_where_the_task_names_no_cluster() -> None:
    rows = rows_of(KEPT, drawn=lambda number: {"row_id": f"annotation {number // 2}", "cluster": "-"})

    assert {row["clusters"] for row in rows} == {EXAMPLES // 2}


def test_predictions_that_know_no_clusters_count_one_by_one_and_say_so() -> None:
    rows = rows_of(KEPT, drawn=lambda number: {"row_id": None, "cluster": None})

    assert {row["clusters"] for row in rows} == {EXAMPLES}
    assert all("examples are taken as independent" in row["note"] for row in rows)


def test_examples_of_two_data_sets_are_not_compared_though_their_ids_are_alike() -> None:
    def keep(record: Record) -> Record:
        return record.model_copy(update={"data_digest": f"data of {record.arm}"})

    (row,) = rows_of(KEPT, keep)
    assert (row["n_pairs"], row["difference"], row["examples"]) == (0, None, 0)


def test_only_examples_that_every_trial_has_are_compared() -> None:
    shorter = {trial: found[: EXAMPLES - 7 * number] for number, (trial, found) in enumerate(KEPT.items())}

    rows = rows_of(shorter)

    assert {row["examples"] for row in rows} == {EXAMPLES - 7 * 5}
    for row in rows[1:]:
        mine, other = (of(arm, row["seed"])[: EXAMPLES - 35].astype(float) for arm in ("better", "base"))
        assert row["difference"] == pytest.approx(np.mean(mine - other))


def test_soft_scores_have_a_difference_and_no_test_of_right_against_wrong() -> None:
    rows = rows_of({trial: found * 0.3 for trial, found in KEPT.items()})

    assert {row["p_mcnemar"] for row in rows} == {None}
    assert all("scores between 0 and 1" in row["note"] for row in rows)
    assert rows[0]["difference"] > 0


def test_failed_missing_and_silent_trials_are_counted() -> None:
    def keep(record: Record) -> Record | None:
        if record.phase == "confirm" and record.arm == "better" and record.seed < 3:
            return as_failed(record) if record.seed == 1 else None
        return record

    rows = rows_of(KEPT, keep)
    assert [row["seed"] for row in rows] == [None, 3]
    assert (rows[0]["planned"], rows[0]["failed"], rows[0]["missing"], rows[0]["n_pairs"]) == (6, 1, 1, 1)

    (row,) = rows_of({})
    assert row["n_pairs"] == 0 and row["difference"] is None and "no seed" in row["note"]


def test_predictions_are_read_only_by_a_query_that_asks_for_them(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    store.write_study(STUDY.study, STUDY.stored())
    for record in CONFIRMED:
        kept = [
            Prediction(split="test", example_id=f"e{number}", prediction="yes", score=float(score))
            for number, score in enumerate(KEPT[record.trial_id])
        ]
        store.write(record, predictions=kept)
    results = analysis.load(str(tmp_path))

    results.answer("select * from contrasts")
    assert "disagreements" not in results.__dict__
    rows = results.answer("select arm, seed, p_mcnemar from disagreements where seed is not null").to_pylist()
    assert len(rows) == 3 and all(row["p_mcnemar"] < 0.001 for row in rows)
