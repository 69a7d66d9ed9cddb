"""Declared before seen: what a study says when its first confirm trial is recorded, and what is changed after that."""

from __future__ import annotations

import io
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from click.testing import Result
from rich.console import Console

from ablative import analysis
from ablative.analysis.showing.tables import effects_table
from ablative.orchestrator.commands.cli import ablate
from ablative.orchestrator.driving.inline import InlineExecutor
from ablative.orchestrator.driving.run import run_study
from ablative.orchestrator.showing.display import QuietDisplay
from ablative.orchestrator.showing.overview import print_status
from ablative.orchestrator.showing.standing import standing
from ablative.orchestrator.storing.declared import stamp_of
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.store import Store
from ablative.search_spaces.study import Study
from tests.helpers.answers import checked_answer
from tests.helpers.simulated import SimulatedTrainable
from tests.helpers.simulated import make_experiment
from tests.helpers.simulated import make_study

GAIN = {"arm": "naive", "against": "plain"}
NAME = "simulated"


class Watched(Store):
    """A store that says of each record whether the study had a stamp when it came."""

    came: list[tuple[str, bool]]

    def write(self, record: Record, *tables: Any) -> None:
        self.came = [*getattr(self, "came", []), (record.phase, self.declared(record.study) is not None)]
        super().write(record, *tables)


def study(**comparisons: Any) -> Study:
    return make_study(
        arms={"listed": {"plain": {}, "naive": {"distillation.terms.image": 1.0}}},
        conditions={},
        search={"trials": 2, "batch": 2, "space": {"optim.lr": {"loguniform": [1e-5, 1e-2]}}},
        seeds={"search": [0], "confirm": [1, 2, 3, 4, 5, 6]},
        comparisons={"claims": {"gain": GAIN}, **comparisons},
    )


def run(uri: Path, asked: Study) -> Watched:
    store = Watched.open(str(uri))
    executor = InlineExecutor(run_trial=SimulatedTrainable(), resources=asked.resources, cache=uri)
    run_study(make_experiment(asked), store, executor, QuietDisplay())
    return store


def status(store: Store) -> str:
    out = io.StringIO()
    print_status(Console(file=out, width=200), standing(store, NAME))
    return out.getvalue()


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that was run, and then asked again with another margin, another claim, and one that says otherwise."""
    folder = tmp_path_factory.mktemp("declared")
    run(folder, study(claims={"gain": GAIN, "loss": GAIN}))
    run(folder, study(margin=0.01, claims={"gain": GAIN, "loss": {**GAIN, "splits": ["val"]}, "more": GAIN}))
    return folder


def test_the_stamp_is_there_before_the_first_confirm_record_and_not_before_the_search(tmp_path: Path) -> None:
    store = run(tmp_path, study())

    assert all(had for phase, had in store.came if phase == "confirm")
    assert not store.came[0][1]


def test_what_was_not_changed_is_not_late(tmp_path: Path) -> None:
    run(tmp_path, study())
    store = run(tmp_path, study())
    stamp = store.declared(NAME)

    assert stamp is not None
    assert stamp.late(store.study(NAME)) == ()
    assert analysis.load(str(tmp_path), NAME).plan(NAME).late == ()
    assert stamp.hash in status(store) and "declared late" not in status(store)
    assert "declared late" not in effects_table(str(tmp_path), NAME)


def test_what_is_changed_after_the_first_confirm_record_is_late_and_the_stamp_stays(uri: Path) -> None:
    store = Store.open(str(uri))
    stamp = store.declared(NAME)

    assert stamp is not None and set(stamp.declared["comparisons"]["claims"]) == {"gain", "loss"}
    assert stamp.late(store.study(NAME)) == ("margin", "claim loss", "claim more")


def test_every_table_and_the_status_mark_what_was_declared_late(uri: Path) -> None:
    results = analysis.load(str(uri), NAME)
    claims = {row["claim"]: row["declared_late"] for row in results.claims.to_pylist()}

    assert claims == {"gain": False, "loss": True, "more": True}
    said = "declared late, after the first confirm trial of"
    for text in (effects_table(str(uri), NAME), status(Store.open(str(uri)))):
        assert said in text
        assert "margin; claim loss; claim more" in " ".join(text.split())


def test_a_claims_margin_that_is_changed_is_late_and_one_that_a_stamp_could_not_know_is_not(tmp_path: Path) -> None:
    run(tmp_path, study(claims={"gain": {**GAIN, "at_least": 0.01}, "loss": GAIN}))
    store = run(tmp_path, study(claims={"gain": {**GAIN, "at_least": 0.02}, "loss": GAIN}))
    stamp = store.declared(NAME)

    assert stamp is not None
    assert stamp.late(store.study(NAME)) == ("claim gain",)
    for claim in stamp.declared["comparisons"]["claims"].values():  # as it was written before claims had margins
        claim.pop("at_least"), claim.pop("equivalent_within")
    assert stamp.late(store.study(NAME)) == ("claim gain",)


def test_a_claim_that_was_taken_back_is_told_too(tmp_path: Path) -> None:
    run(tmp_path, study(claims={"gain": GAIN, "loss": GAIN}))
    store = run(tmp_path, study())
    stamp = store.declared(NAME)

    assert stamp is not None
    assert stamp.late(store.study(NAME)) == ("claim loss, left out",)


def test_a_study_whose_confirm_trials_were_recorded_before_there_were_stamps_gets_none(tmp_path: Path) -> None:
    """Nobody knows what it said then: a stamp of today would be a lie."""
    run(tmp_path, study())
    (tmp_path / "studies" / NAME / "declared.json").unlink()

    store = run(tmp_path, study(margin=0.01))

    assert store.declared(NAME) is None
    assert "declared" not in status(store)
    assert analysis.load(str(tmp_path), NAME).plan(NAME).late == ()


def test_a_stamp_that_cannot_be_read_is_a_problem_and_no_reason_to_stop(tmp_path: Path) -> None:
    run(tmp_path, study())
    (tmp_path / "studies" / NAME / "declared.json").write_text("{}", encoding="utf-8")
    results = analysis.load(str(tmp_path), NAME)

    assert results.plan(NAME).late == ()
    assert any("declared.json" in problem for problem in results.problems)


def test_compare_and_gate_say_what_was_declared_late(uri: Path, tmp_path: Path) -> None:
    run(tmp_path, study(claims={"gain": GAIN, "loss": GAIN}))
    said = "simulated: declared late, after the first confirm trial of"

    def asked(*words: str) -> Result:
        return CliRunner().invoke(ablate, list(words))

    late = ("compare", NAME, NAME, "--store", str(tmp_path), "--other-store", str(uri))
    assert said in asked(*late).stdout and "margin; claim loss; claim more" in asked(*late).stdout
    in_json = asked(*late, "--json")
    assert said in in_json.stderr
    assert all(row["declared_late"] for row in checked_answer("compare", in_json.stdout))
    timely = asked("compare", NAME, NAME, "--store", str(tmp_path), "--other-store", str(tmp_path), "--json")
    assert not any(row["declared_late"] for row in checked_answer("compare", timely.stdout))

    gate = ("gate", NAME, "--arm", "naive", "--store", str(uri), "--alpha", "0.5", "--proposals", "1")
    answer = checked_answer("gate", asked(*gate, "--json").stdout)
    assert answer["declared_late"][0].startswith(said)
    assert said in asked(*gate).stdout and said in asked(*gate, "--markdown").stdout
    ours = ("gate", NAME, "--arm", "naive", "--store", str(tmp_path), "--alpha", "0.5", "--proposals", "1", "--json")
    assert checked_answer("gate", asked(*ours).stdout)["declared_late"] == []


def test_another_estimate_is_declared_late_also_where_the_stamp_is_older_than_the_setting() -> None:
    asked = study()
    stamp = stamp_of(asked, "plain", datetime(2026, 11, 1, tzinfo=UTC))
    older = stamp.model_copy(
        update={"declared": {**stamp.declared, "comparisons": dict(stamp.declared["comparisons"])}}
    )
    del older.declared["comparisons"]["estimate"]
    same, other = (
        {**given.model_dump(mode="json", include={"target", "comparisons"}), "reference": "plain"}
        for given in (asked, study(estimate="median"))
    )

    for one in (stamp, older):
        assert one.late(same) == ()
        assert one.late(other) == ("estimate",)
