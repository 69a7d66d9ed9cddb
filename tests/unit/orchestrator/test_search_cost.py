"""A search that weighs its target against what a searched number costs, or trades one for the other."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from ablative.analysis.views.results import load
from ablative.orchestrator.driving.inline import InlineExecutor
from ablative.orchestrator.driving.run import run_study
from ablative.orchestrator.showing.display import QuietDisplay
from ablative.orchestrator.showing.overview import console
from ablative.orchestrator.showing.overview import print_status
from ablative.orchestrator.showing.standing import standing
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.store import Store
from ablative.search_spaces.study import Study
from tests.helpers.simulated import SimulatedTrainable
from tests.helpers.simulated import make_experiment
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study
from tests.helpers.simulated import run_all

SPACE = {"task.data_fraction": {"uniform": [0.01, 1.0]}, "optim.lr": {"loguniform": [1e-4, 1e-2]}}
"""The simulated trainable gains 0.1 from all the data."""
ARMS = {"listed": {"plain": {}, "naive": {"distillation.terms.image": 1.0}}}


def costly(cost: dict[str, Any], sampler: str = "tpe", **changes: Any) -> Study:
    search = {"trials": 16, "batch": 4, "sampler": sampler, "space": SPACE, "cost": cost}
    return make_study(**{"arms": ARMS, "conditions": {}, "search": search, **changes})


def chosen(records: list[Record], arm: str) -> float:
    (fraction,) = {
        r.parameter_values()["task.data_fraction"] for r in records if r.arm == arm and r.phase == "confirm"
    }
    return float(fraction)


def searched(records: list[Record], arm: str) -> list[Record]:
    return [record for record in records if record.arm == arm and record.phase == "search"]


@pytest.mark.parametrize("sampler", ["tpe", "cmaes", "random"])
def test_a_high_price_confirms_little_data_and_a_low_price_much(sampler: str) -> None:
    dear = run_all(make_queue(costly({"path": "task.data_fraction", "weight": 1.0}, sampler)))
    cheap = run_all(make_queue(costly({"path": "task.data_fraction", "weight": 0.001}, sampler)))
    for arm in ARMS["listed"]:
        assert chosen(dear, arm) < chosen(cheap, arm)
        fractions = [record.parameter_values()["task.data_fraction"] for record in searched(dear, arm)]
        assert chosen(dear, arm) <= sorted(fractions)[2]


def test_the_setting_that_is_confirmed_has_the_best_target_less_its_cost() -> None:
    records = run_all(make_queue(costly({"path": "task.data_fraction", "weight": 0.02, "scale": "log"})))

    def score(record: Record) -> float:
        return record.metrics["val/accuracy"] - 0.02 * math.log10(record.parameter_values()["task.data_fraction"])

    for arm in ARMS["listed"]:
        best = max(searched(records, arm), key=score)
        assert chosen(records, arm) == best.parameter_values()["task.data_fraction"]


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_two_targets_give_a_front_of_which_no_setting_is_beaten(sampler: str) -> None:
    queue = make_queue(costly({"path": "task.data_fraction"}, sampler))
    records = run_all(queue)
    for cell in queue.cells:
        points = {
            record.proposal: (record.parameter_values()["task.data_fraction"], -record.metrics["val/accuracy"])
            for record in searched(records, cell.cell.arm)
        }
        beaten = {
            number
            for number, (cost, loss) in points.items()
            if any((c, w) != (cost, loss) and c <= cost and w <= loss for c, w in points.values())
        }
        assert set(cell.front) == points.keys() - beaten
        assert [points[number] for number in cell.front] == sorted(points[number] for number in cell.front)
        best = max(searched(records, cell.cell.arm), key=lambda record: record.metrics["val/accuracy"])
        assert chosen(records, cell.cell.arm) == best.parameter_values()["task.data_fraction"]


def test_two_targets_propose_the_same_after_an_interruption() -> None:
    study = costly({"path": "task.data_fraction"})
    whole = run_all(make_queue(study))
    rest = run_all(make_queue(study, whole[:29]))
    assert {record.trial_id for record in whole[:29] + rest} == {record.trial_id for record in whole}


def test_the_front_is_in_the_plan_the_status_and_the_view(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = costly({"path": "task.data_fraction"}, "random")
    store = Store.open(str(tmp_path))
    executor = InlineExecutor(run_trial=SimulatedTrainable(), resources=study.resources, cache=tmp_path)
    run_study(make_experiment(study), store, executor, QuietDisplay())
    plan = store.plan(study.study)
    assert plan is not None
    assert all(len(cell.front) > 1 for cell in plan)
    trials = load(str(tmp_path)).trials.to_pylist()
    on_front = {(row["cell_id"], row["proposal"]) for row in trials if row["on_front"]}
    assert on_front == {(cell.cell_id, proposal) for cell in plan for proposal in cell.front}
    print_status(console(), standing(store, study.study))
    assert "front of plain (val/accuracy): 0." in capsys.readouterr().out
