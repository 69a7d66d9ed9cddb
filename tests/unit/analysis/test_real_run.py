"""Analysis of what the orchestrator really writes, on a trainable whose effects are known."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablative import analysis
from ablative.analysis.showing.report import write_report
from ablative.analysis.showing.tables import results_table
from ablative.orchestrator.driving.inline import InlineExecutor
from ablative.orchestrator.driving.run import run_study
from ablative.orchestrator.showing.display import QuietDisplay
from ablative.orchestrator.storing.store import Store
from tests.helpers.simulated import NAIVE_EFFECT
from tests.helpers.simulated import TOKENS_EFFECT
from tests.helpers.simulated import SimulatedTrainable
from tests.helpers.simulated import make_experiment
from tests.helpers.simulated import make_study

STUDY = make_study(
    search={"trials": 1, "batch": 1, "space": {}}, seeds={"search": [0], "confirm": [1, 2, 3, 4, 5, 6, 7, 8]}
)


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("run")
    executor = InlineExecutor(
        run_trial=SimulatedTrainable(non_finite_for=(8,)), resources=STUDY.resources, cache=folder
    )
    run_study(make_experiment(STUDY), Store.open(str(folder)), executor, QuietDisplay())
    return str(folder)


def test_the_known_effects_come_back_through_store_and_views(uri: str) -> None:
    sql = """select arm, difference, diff_ci_low, diff_ci_high, n_pairs, failed, missing, verdict from effects
             where family = 'pooled' and metric = 'test/accuracy' and not is_reference order by difference"""

    naive, tokens = analysis.load(uri, "simulated").answer(sql).to_pylist()

    for row, arm, effect in ((naive, "naive", NAIVE_EFFECT), (tokens, "tokens", NAIVE_EFFECT + TOKENS_EFFECT)):
        assert (row["arm"], row["verdict"]) == (arm, "better")
        assert row["difference"] == pytest.approx(effect, abs=0.002)
        assert row["diff_ci_low"] < row["difference"] < row["diff_ci_high"]
        assert (row["n_pairs"], row["failed"], row["missing"]) == (7, 2, 0)


def test_kept_predictions_are_compared_example_by_example(uri: str) -> None:
    """The simulated trainable predicts the same for every arm, so no two models disagree."""
    rows = analysis.load(uri).answer("select * from disagreements").to_pylist()

    assert len(rows) == 2 * 2 * (1 + 7)  # arms, fractions, all seeds and each that is completed
    for row in rows:
        assert (row["split"], row["examples"], row["difference"], row["failed"]) == ("test", 3, 0.0, 2)
        assert row["p_mcnemar"] == (None if row["seed"] is None else 1.0)


def test_every_record_counts_and_every_view_has_its_rows(uri: str) -> None:
    results = analysis.load(uri)

    assert results.problems == ()
    assert all(results.trials["counts"].to_pylist())
    assert results.trials.num_rows == 3 * 2 * 8  # arms, fractions, seeds: without a space nothing is searched
    assert results.predictions.num_rows == 3 * 2 * 7 * 3 * 3  # arms, fractions, seeds, splits, examples
    assert set(results.effects["split"].to_pylist()) == {"val", "test", "test_style"}


@pytest.mark.slow
def test_table_and_report_say_what_failed(uri: str, tmp_path: Path) -> None:
    text = results_table(analysis.load(uri), "simulated")
    html = write_report(uri, "simulated", tmp_path / "page.html").read_text(encoding="utf-8")

    assert "tokens: 2 of 16 confirm trials failed, 0 missing" in text
    assert "6 of 48 planned confirm trials failed, and the answer leaves them out." in html
    assert "loss is nan at step 3" in html
