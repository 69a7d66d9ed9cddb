"""A condition that cannot matter to the reference: its trials are one and the same in two cells, and count in both."""

from __future__ import annotations

from typing import Any

import pytest

from ablative import analysis
from ablative.analysis.showing.figures.learning import learning_curves
from ablative.analysis.showing.figures.trade_off import trade_off
from ablative.analysis.trials import decoded
from ablative.analysis.views.budgets import budgets_view
from ablative.analysis.views.sequential import clear_arms
from ablative.orchestrator.deciding.costs import expected_cost
from ablative.orchestrator.deciding.recorded import Recorded
from ablative.orchestrator.deciding.recorded import search_history
from ablative.orchestrator.driving.inline import InlineExecutor
from ablative.orchestrator.driving.run import run_study
from ablative.orchestrator.showing.display import QuietDisplay
from ablative.orchestrator.showing.standing import standing
from ablative.orchestrator.storing.store import Store
from tests.helpers.simulated import SimulatedTrainable
from tests.helpers.simulated import make_experiment
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study
from tests.helpers.simulated import run_all

SEEDS = [1, 2, 3, 4, 5, 6]
STUDY = make_study(
    arms={"listed": {"no_distillation": {}, "naive": {"distillation.terms.image": 1.0}}},
    conditions={"teacher.precision": ["float16", "float32"]},
    search={"trials": 2, "batch": 2, "sampler": "random", "space": {"optim.lr": {"loguniform": [1e-5, 1e-2]}}},
    seeds={"search": [0], "confirm": SEEDS},
)
CONDITIONS = ["teacher.precision=float16", "teacher.precision=float32"]


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("run")
    executor = InlineExecutor(run_trial=SimulatedTrainable(), resources=STUDY.resources, cache=folder)
    run_study(make_experiment(STUDY), Store.open(str(folder)), executor, QuietDisplay())
    return str(folder)


def rows(uri: str, sql: str) -> list[dict[str, Any]]:
    found = analysis.load(uri).arrow(sql)
    return list(found.to_pylist())


def test_the_reference_runs_once_and_has_its_seeds_in_both_cells(uri: str) -> None:
    assert len(Store.open(uri).records("simulated")) == (2 + 6) * 3  # not 4: two cells share theirs

    found = rows(uri, "select * from cells where is_reference order by cell")

    assert [cell["condition"] for cell in found] == CONDITIONS
    assert found[0]["cell_id"] == found[1]["cell_id"] and found[0]["trial_ids"] == found[1]["trial_ids"]
    for cell in found:
        assert (cell["search_recorded"], cell["confirm_recorded"], cell["confirm_total"], cell["n"]) == (2, 6, 6, 6)
    assert (found[0]["ci_low"], found[0]["ci_high"]) == (found[1]["ci_low"], found[1]["ci_high"])


@pytest.mark.parametrize("view", ["effects", "contrasts"])
def test_every_condition_and_all_of_them_together_have_six_pairs(uri: str, view: str) -> None:
    sql = f"select condition, n_pairs, missing from {view} where is_headline and arm = 'naive' order by condition"

    found = [(row["condition"], row["n_pairs"], row["missing"]) for row in rows(uri, sql)]

    assert found == [("all conditions", 6, 0), *((condition, 6, 0) for condition in CONDITIONS)]


def test_every_other_answer_knows_both_cells(uri: str) -> None:
    results = analysis.load(uri)
    plan, records = results.plan("simulated"), results.records("simulated")
    reference = f"select condition, count(*) as n from {{}} where arm = '{plan.reference}' group by 1 order by 1"

    for view in ("budgets", "importance", "profiles"):
        assert [row["condition"] for row in rows(uri, reference.format(view))][-2:] == CONDITIONS
    assert {row["settings"] for row in budgets_view(records, plan).to_pylist()} == {2}
    pairs = rows(uri, "select distinct condition, n_pairs from disagreements where seed is null order by 1")
    assert [(row["condition"], row["n_pairs"]) for row in pairs] == [(condition, 6) for condition in CONDITIONS]
    for drawn in (
        trade_off(decoded(records), plan),
        learning_curves(results.curves.to_pylist(), decoded(records), plan),
    ):
        panels = [point["panel"] for point in _points(drawn) if point["arm"] == "no_distillation"]
        assert panels.count("precision=float16") == panels.count("precision=float32") > 0
    assert {(cell.search_done, cell.confirm_done) for cell in standing(Store.open(uri), "simulated").cells} == {(2, 6)}


def _points(drawn: Any) -> list[dict[str, Any]]:
    datasets = drawn.to_dict().get("datasets", {})
    found = [point for points in datasets.values() for point in points]
    assert found
    return [point for point in found if "panel" in point]


def test_a_trial_in_two_cells_is_expected_and_paid_once(uri: str) -> None:
    recorded = Store.open(uri).records("simulated")
    spent = sum(record.device_seconds for record in recorded)

    assert rows(uri, "select sum(device_seconds) as spent from costs")[0]["spent"] == pytest.approx(spent)
    study = rows(uri, "select device_seconds, completed from studies")[0]
    assert study["device_seconds"] == pytest.approx(spent) and study["completed"] == len(recorded)
    alone = make_study(**{**STUDY.model_dump(mode="json", by_alias=True), "search": {"trials": 1, "space": {}}})
    queue = make_queue(alone)
    cost = expected_cost(queue.cells, (), recorded)
    assert queue.owed() == len(queue.trials()) == 18
    assert cost.device_seconds == pytest.approx(18 * 0.1)


def test_a_warm_start_learns_in_every_condition_that_the_other_study_has(uri: str) -> None:
    history = search_history(Recorded(warm=Store.open(uri).known_records("simulated")), "val/accuracy")

    found = [history.warm_settings("no_distillation", {"teacher.precision": name}) for name in ("float16", "float32")]

    assert found[0] == found[1] and len(found[0]) == 2


def test_looks_see_the_reference_in_both_conditions() -> None:
    seeds = list(range(1, 21))
    looked = make_study(
        **{
            **STUDY.model_dump(mode="json", by_alias=True),
            "seeds": {"search": [0], "confirm": seeds, "sequential": {"looks": [10]}},
        }
    )
    queue = make_queue(looked, judge=clear_arms)
    run_all(queue)
    assert {(cell.cell.arm, len(cell.confirm)) for cell in queue.cells} == {("no_distillation", 10), ("naive", 10)}
