from __future__ import annotations

from pathlib import Path

import pytest

from ablative import analysis
from ablative.analysis.errors import AnalysisError
from ablative.analysis.views.results import Results
from ablative.analysis.views.two_runs import compared_runs
from ablative.analysis.views.two_runs import differences_of_origin
from ablative.orchestrator.driving.inline import InlineExecutor
from ablative.orchestrator.driving.run import Experiment
from ablative.orchestrator.driving.run import run_study
from ablative.orchestrator.showing.display import QuietDisplay
from ablative.orchestrator.storing.records import Provenance
from ablative.orchestrator.storing.store import Store
from ablative.search_spaces.design import cells
from ablative.search_spaces.study import Study
from ablative.trainables.config import TrialConfig
from ablative.trainables.config import canonical
from tests.helpers.simulated import SimulatedTrainable
from tests.helpers.simulated import make_inputs
from tests.helpers.simulated import make_study

LISTED = {"plain": {}, "naive": {"distillation.terms.image": 1.0}}
SEEDS = {"search": [0], "confirm": [1, 2, 3, 4, 5, 6]}


def study(name: str, **changes: object) -> Study:
    sections: dict[str, object] = {"study": name, "arms": {"listed": LISTED}, "search": {}, "seeds": SEEDS}
    return make_study(**{**sections, **changes})


def recorded(folder: Path, of: Study, commit: str) -> Results:
    experiment = Experiment(
        study=of,
        cells=cells(of, TrialConfig, canonical),
        inputs=make_inputs(),
        provenance=Provenance(commit=commit, versions={"torch": "2.13.0"}),
    )
    executor = InlineExecutor(run_trial=SimulatedTrainable(), resources=of.resources, cache=folder)
    run_study(experiment, Store.open(str(folder)), executor, QuietDisplay())
    return analysis.load(str(folder), of.study)


@pytest.fixture
def before(tmp_path: Path) -> Results:
    return recorded(tmp_path / "before", study("question"), "aaaa")


def test_a_condition_is_the_same_however_its_number_is_written(before: Results, tmp_path: Path) -> None:
    otherwise = study("question", conditions={"task.data_fraction": [0.05, 1]})
    names = ("question", "question")
    both = compared_runs(before, recorded(tmp_path / "otherwise", otherwise, "aaaa"), names)
    assert both.equals(compared_runs(before, before, names))
    lesser = study("question", conditions={"task.data_fraction": [1]})
    found = compared_runs(before, recorded(tmp_path / "lesser", lesser, "aaaa"), names).to_pylist()
    assert all((row["difference"], row["n_pairs"]) == (0.0, 6) for row in found)


def test_a_run_that_did_the_same_differs_in_nothing(before: Results, tmp_path: Path) -> None:
    again = recorded(tmp_path / "again", study("question"), "aaaa")
    names = ("question", "question")
    rows = compared_runs(before, again, names).to_pylist()
    assert [row["arm"] for row in rows] == list(LISTED)
    assert all((row["difference"], row["p_value"], row["n_pairs"]) == (0.0, 1.0, 6) for row in rows)
    assert differences_of_origin(before, again, names) == []


def test_what_changed_is_told_with_its_size_its_origin_and_its_pairs(before: Results, tmp_path: Path) -> None:
    changed = study("question_2", base={"optim": {"lr": 1e-2}})
    after = recorded(tmp_path / "after", changed, "bbbb")
    names = ("question", "question_2")
    rows = {row["arm"]: row for row in compared_runs(before, after, names).to_pylist()}
    for row in rows.values():
        assert row["difference"] == pytest.approx(row["second_mean"] - row["first_mean"])
        assert row["diff_ci_low"] < row["difference"] < row["diff_ci_high"] < 0
        assert row["p_corrected"] == pytest.approx(2 * row["p_value"])
    assert differences_of_origin(before, after, names) == ["commit: aaaa in question, bbbb in question_2"]


def test_only_seeds_and_conditions_of_both_are_paired(before: Results, tmp_path: Path) -> None:
    seeds = {"search": [0], "confirm": [3, 4, 5, 6, 7]}
    fewer = recorded(tmp_path / "fewer", study("few", seeds=seeds, conditions={"task.data_fraction": [1.0]}), "a")
    assert {row["n_pairs"] for row in compared_runs(before, fewer, ("question", "few")).to_pylist()} == {4}


def test_studies_without_anything_in_common_are_refused(before: Results, tmp_path: Path) -> None:
    other = recorded(tmp_path / "other", study("other", arms={"listed": {"else": {}}}), "a")
    with pytest.raises(AnalysisError, match="question and other have no arm in common"):
        compared_runs(before, other, ("question", "other"))
