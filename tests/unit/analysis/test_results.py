"""Loading the views of a store."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ablative import analysis
from ablative.orchestrator.storing.store import Store
from ablative.trainables.job import Prediction
from tests.helpers.results import StudyResults
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study
from tests.helpers.simulated import run_all


def test_all_views_of_all_studies_are_arrow_tables(store_uri: str) -> None:
    results = analysis.load(store_uri)

    assert results.studies == ("small", "unfinished")
    assert results.trials.num_rows == 3 * 2 * (1 + 7) + 4
    assert set(results.trials["study"].to_pylist()) == {"small", "unfinished"}
    assert set(results.effects["study"].to_pylist()) == {"small", "unfinished"}
    assert results.curves.num_rows == 4 * (results.trials.num_rows - 1)  # the failed trial left no curve
    assert results.curves.column_names[:2] == ["study", "trial_id"]
    assert results.predictions.num_rows == 0
    assert results.problems == ()


def test_one_study_can_be_asked_for_by_name(store_uri: str) -> None:
    assert set(analysis.load(store_uri, "small").trials["study"].to_pylist()) == {"small"}


def test_an_unknown_study_is_named_with_those_that_are_there(store_uri: str) -> None:
    with pytest.raises(analysis.AnalysisError, match=r"'smal'.*small, unfinished"):
        analysis.load(store_uri, ["smal"])


def test_an_empty_store_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(analysis.AnalysisError, match="ablate run"):
        analysis.load(str(tmp_path / "nowhere"))


def test_a_study_whose_plan_cannot_be_read_keeps_its_trials_and_is_named(tmp_path: Path) -> None:
    study = StudyResults(study="broken", arms=("a", "b"), conditions={}, confirm=(1,), proposals=1)
    study.write(str(tmp_path))
    (tmp_path / "studies" / "broken" / "study.json").write_text('{"study": "broken", "cells": []}')

    results = analysis.load(str(tmp_path))

    assert results.trials.num_rows == 2 * 2
    assert results.effects.num_rows == 0
    assert any("broken" in problem and "target" in problem for problem in results.problems)


def test_a_foreign_file_is_named_and_skipped(tmp_path: Path) -> None:
    study = StudyResults(study="foreign", arms=("a", "b"), conditions={}, confirm=(1,), proposals=1)
    study.write(str(tmp_path))
    (tmp_path / "studies" / "foreign" / "trials" / "notes.parquet").write_text("not a table")

    results = analysis.load(str(tmp_path))

    assert results.trials.num_rows == 2 * 2
    assert any("notes.parquet" in problem for problem in results.problems)


def test_columns_that_studies_type_differently_become_text(tmp_path: Path) -> None:
    size: dict[str, Any] = {"arms": ("a",), "confirm": (1,), "proposals": 1}
    StudyResults(study="one", conditions={"student.init": [1, 2]}, **size).write(str(tmp_path))
    StudyResults(study="two", conditions={"student.init": ["scratch"]}, **size).write(str(tmp_path))

    results = analysis.load(str(tmp_path))

    assert set(results.trials["student.init"].to_pylist()) == {"1", "2", "scratch"}


def test_analysis_imports_neither_ray_nor_torch() -> None:
    program = (
        "import sys; from ablative.analysis.showing import report, tables; from ablative.analysis.views import query;"
        "heavy = ('ray', 'torch', 'ablative.cluster', 'ablative.trainables.trial');"
        "print([name for name in heavy if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_one_study_that_cannot_be_read_is_a_problem_and_the_others_are_answered(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    for record in run_all(make_queue(make_study(conditions={}))):
        store.write(record)
    (tmp_path / "studies" / "broken").mkdir()
    (tmp_path / "studies" / "broken" / "trials").write_text("a file where a folder is expected")

    results = analysis.load(str(tmp_path))
    assert results.studies == ("simulated",)
    assert results.trials.num_rows > 0
    assert any(problem.startswith("studies/broken: left out") for problem in results.problems)


@pytest.mark.parametrize("asked", ["studies", "cells", "trials", "curves", "effects", "claims", "importance"])
def test_studies_that_are_damaged_in_any_way_keep_no_other_from_its_answer(asked: str, tmp_path: Path) -> None:
    def named_trials_file(folder: Path) -> None:
        shutil.rmtree(folder / "trials")
        (folder / "trials").write_text("no folder")

    def endless_curves(folder: Path) -> None:
        shutil.rmtree(folder / "curves")
        (folder / "curves").symlink_to("curves")

    damages: dict[str, Callable[[Path], object]] = {
        "listing": named_trials_file,
        "links": endless_curves,
        "cut": lambda folder: (folder / "study.json").write_text('{"a":'),
        "deep": lambda folder: (folder / "study.json").write_text("[" * 100_000),
        "bytes": lambda folder: (folder / "study.json").write_bytes(b"\xff\xfe{}"),
        "no_plan": lambda folder: (folder / "study.json").unlink(),
        "whole": lambda folder: None,
    }
    for name, damage in damages.items():
        StudyResults(study=name, arms=("a", "b"), conditions={}, proposals=1, control="").write(str(tmp_path))
        damage(tmp_path / "studies" / name)

    results = analysis.load(str(tmp_path))

    assert "whole" in results.pandas(f"select distinct study from {asked}")["study"].tolist() or asked == "claims"
    assert any("listing" in problem for problem in results.problems)


def test_damaged_curves_and_predictions_are_named_by_who_looks_at_the_whole_study(tmp_path: Path) -> None:
    study = StudyResults(study="worn", arms=("a", "b"), conditions={}, confirm=(1, 2), proposals=1)
    store = study.write(str(tmp_path))
    trial = study.records()[0].trial_id
    store.write(study.records()[0], predictions=[Prediction(split="test", example_id="1", prediction="a", score=1.0)])
    for table in ("curves", "predictions"):
        path = tmp_path / "studies" / "worn" / table / f"{trial}.arrow.gz"
        path.write_bytes(path.read_bytes()[:-9] + b"x" * 9 if path.exists() else b"")
    results = analysis.load(str(tmp_path), "worn")
    assert results.effects.num_rows and results.problems == ()

    results.check("worn")

    named = [problem.partition(": skipped")[0] for problem in results.problems]
    assert named == [f"studies/worn/{table}/{trial}.arrow.gz" for table in ("curves", "predictions")]
