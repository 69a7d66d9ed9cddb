"""The view of trials as one file: the same answers, and only while nothing has changed since."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ablative import analysis
from ablative.orchestrator.driving import run
from ablative.orchestrator.driving.inline import InlineExecutor
from ablative.orchestrator.showing.display import QuietDisplay
from ablative.orchestrator.storing.store import Store
from tests.helpers.results import StudyResults
from tests.helpers.results import make_record
from tests.helpers.simulated import SimulatedTrainable
from tests.helpers.simulated import make_experiment
from tests.helpers.simulated import make_study

STUDY = StudyResults(conditions={"task.name": ["snli_ve", "vqa"]}, proposals=2)
QUESTIONS = (
    "select * from trials order by trial_id",
    "select arm, count(*), avg(\"test/accuracy\") from trials where phase = 'confirm' group by all order by all",
    "select * from effects order by all",
    "select * from costs order by all",
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with a compacted study."""
    store = STUDY.write(str(tmp_path))
    store.compact(STUDY.study)
    return store


def answers(store: Store) -> list[pa.Table]:
    results = analysis.load(store.uri)
    return [results.arrow(question) for question in QUESTIONS]


def test_a_flattened_study_gives_the_answers_that_it_gave_before(store: Store) -> None:
    before = answers(store)

    assert store.flatten(STUDY.study)

    assert store.flat(STUDY.study) is not None
    assert answers(store) == before
    results = analysis.load(store.uri)
    assert results.trials.num_rows == len(STUDY.records())
    assert "_records" in vars(results) and not vars(results)["_records"]  # nothing was derived


def test_a_new_record_is_seen_though_the_file_does_not_have_it(store: Store) -> None:
    store.flatten(STUDY.study)

    store.write(make_record(trial_id="f" * 20, study=STUDY.study))

    assert store.flat(STUDY.study) is None
    assert not store.flatten(STUDY.study)
    (row,) = (
        analysis.load(store.uri).arrow("select counts from trials where trial_id = 'ffffffffffffffffffff'").to_pylist()
    )
    assert row == {"counts": False}


def test_a_changed_plan_counts_though_the_file_was_made_of_another_one(store: Store) -> None:
    store.flatten(STUDY.study)
    stored = STUDY.stored()

    store.write_study(STUDY.study, {**stored, "cells": stored["cells"][:1]})

    counting = "select distinct cell from trials where counts"
    assert analysis.load(store.uri).arrow(counting).num_rows == 1
    assert store.flatten(STUDY.study)
    assert analysis.load(store.uri).arrow(counting).num_rows == 1
    assert store.flat(STUDY.study) is not None


def test_a_damaged_file_is_derived_anew(store: Store, tmp_path: Path) -> None:
    before = answers(store)
    store.flatten(STUDY.study)

    (tmp_path / "studies" / STUDY.study / "flat" / "trials.parquet").write_bytes(b"PAR1 no more")

    assert answers(store) == before


def test_studies_with_other_columns_are_asked_together(tmp_path: Path) -> None:
    size: dict[str, Any] = {"arms": ("a",), "confirm": (1,), "proposals": 1}
    for number, values in enumerate(([1, 2], ["scratch"], [3])):
        study = f"study{number}"
        store = StudyResults(study=study, conditions={"student.init": values}, **size).write(str(tmp_path))
        store.compact(study)
        assert number == 2 or store.flatten(study)  # the last one is derived

    results = analysis.load(str(tmp_path))
    asked = results.arrow("select study, \"student.init\" from trials where phase = 'search' order by all")

    assert asked["student.init"].to_pylist() == ["1", "2", "scratch", "3"]
    assert sorted(map(str, results.trials["student.init"].to_pylist())) == [
        "1",
        "1",
        "2",
        "2",
        "3",
        "3",
        "scratch",
        "scratch",
    ]


def test_a_run_of_many_trials_leaves_few_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "COMPACTED_AFTER", 10)
    study = make_study()
    store = Store.open(str(tmp_path / "store"))
    runner = InlineExecutor(run_trial=SimulatedTrainable(), resources=study.resources, cache=tmp_path)

    run.run_study(make_experiment(study), store, runner, QuietDisplay())

    assert store.flat(study.study) is not None
    assert not list((tmp_path / "store" / "studies" / study.study / "trials").iterdir())
