"""The effects that were put into the simulated trainable come back from its records, by every view."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ablative import analysis
from ablative.analysis import Results
from ablative.orchestrator.deciding.cell_trials import planned
from ablative.orchestrator.storing.plan import study_content
from ablative.orchestrator.storing.store import Store
from ablative.trainables.config import ROLES
from tests.helpers.simulated import NAIVE_EFFECT
from tests.helpers.simulated import TOKENS_EFFECT
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study
from tests.helpers.simulated import run_all

FACTORS = {
    "image": {"with": {"distillation.terms.image": 1.0}},
    "tokens": {"with": {"distillation.terms.tokens": 1.0}},
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A full factorial of two terms, its learning rate searched with 24 settings a cell, in a store."""
    study = make_study(
        arms={"design": "factorial", "factors": FACTORS},
        search={"trials": 24, "batch": 8, "sampler": "random", "space": {"optim.lr": {"loguniform": [1e-5, 1e-2]}}},
        seeds={"search": [0], "confirm": list(range(1, 9))},
        conditions={"task.data_fraction": [0.05]},
    )
    queue = make_queue(study)
    records = run_all(queue)
    folder: Path = tmp_path_factory.mktemp("simulated")
    store = Store.open(str(folder))
    store.write_study(study.study, study_content(study, ROLES, [planned(cell) for cell in queue.cells]))
    for record in records:
        store.write(record)
    return analysis.load(str(folder))


def rows(results: Results, sql: str) -> list[dict[str, Any]]:
    return list(results.answer(sql).to_pylist())


def test_main_effects_are_those_that_were_put_in_and_no_interaction_is_seen(results: Results) -> None:
    found = {
        row["contrast"]: row
        for row in rows(results, "select * from contrasts where kind <> 'arms' and family = 'pooled' and is_headline")
    }

    for name, effect in (("with_image", NAIVE_EFFECT), ("with_tokens", TOKENS_EFFECT)):
        assert found[name]["difference"] == pytest.approx(effect, abs=0.005)
        assert found[name]["verdict"] == "better"
    assert found["with_image:with_tokens"]["difference"] == pytest.approx(0.0, abs=0.01)


def test_every_two_arms_differ_by_the_difference_of_their_effects(results: Results) -> None:
    (row,) = rows(
        results,
        """select * from contrasts
           where contrast = 'with_image - with_tokens' and family = 'pooled' and is_headline""",
    )

    assert row["difference"] == pytest.approx(NAIVE_EFFECT - TOKENS_EFFECT, abs=0.01)
    assert row["improvement"] > 0.5
    assert row["n_pairs"] == 8 and row["missing"] == 0


def test_the_learning_rate_is_all_that_mattered_to_the_search(results: Results) -> None:
    found = rows(results, "select evaluator, parameter, importance from importance")

    assert len(found) == 8 and {row["parameter"] for row in found} == {"optim.lr"}
    assert all(row["importance"] == pytest.approx(1.0) for row in found)


def test_the_better_arm_is_ahead_at_every_budget_of_the_search(results: Results) -> None:
    budgets = rows(results, "select arm, budget, expected from budgets")
    found = {(row["arm"], row["budget"]): row["expected"] for row in budgets}

    best = "with_image+with_tokens"
    assert {arm for arm, _ in found} == {"base", "with_image", "with_tokens", best}
    for budget in range(1, 25):
        assert found[best, budget] - found["base", budget] == pytest.approx(NAIVE_EFFECT + TOKENS_EFFECT, abs=0.02)
