from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest

from ablative.orchestrator.commands.optuna_export import ExportError
from ablative.orchestrator.commands.optuna_export import export_searches
from ablative.orchestrator.storing.plan import study_content
from ablative.orchestrator.storing.store import Store
from ablative.trainables.config import ROLES
from ablative.trainables.job import CurvePoint
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study
from tests.helpers.simulated import run_all


def test_the_search_of_each_cell_is_an_optuna_study_with_its_trials(tmp_path: Path) -> None:
    study = make_study()
    queue = make_queue(study)
    records = run_all(queue)
    store = Store.open(str(tmp_path / "store"))
    store.write_study("simulated", study_content(study, ROLES, queue.plan()))
    for record in records:
        store.write(record, [CurvePoint(step=7, split="val", metric="accuracy", value=0.25, seconds=1.0)])
    searched = [record for record in records if record.phase == "search"]

    count = export_searches(store, "simulated", tmp_path / "searches.db")

    storage = f"sqlite:///{tmp_path / 'searches.db'}"
    found = {name: optuna.load_study(study_name=name, storage=storage) for name in optuna.get_all_study_names(storage)}
    assert count == len(found) == len({record.cell for record in searched})
    for name, made in found.items():
        own = [record for record in searched if f"simulated/{record.cell}" == name]
        values = {trial.user_attrs["trial_id"]: (trial.value, trial.params) for trial in made.trials}
        assert values == {r.trial_id: (r.metrics["val/accuracy"], r.parameter_values()) for r in own}
        assert {tuple(trial.intermediate_values.items()) for trial in made.trials} == {((1, 0.25),)}
        assert made.best_value == max(record.metrics["val/accuracy"] for record in own)

    with pytest.raises(ExportError, match="already exists"):
        export_searches(store, "simulated", tmp_path / "searches.db")


def _recorded(folder: Path, **changed: Any) -> Store:
    """A store with a finished study, some keys of whose study.json are changed."""
    study = make_study()
    queue = make_queue(study)
    store = Store.open(str(folder / "store"))
    for record in run_all(queue):
        store.write(record)
    store.write_study("simulated", study_content(study, ROLES, queue.plan()) | changed)
    return store


def test_a_trial_without_the_present_target_counts_as_failed(tmp_path: Path) -> None:
    """A study whose target was changed keeps the trials that were judged by another."""
    store = _recorded(tmp_path, target={"metric": "val/loss", "mode": "min"})

    export_searches(store, "simulated", tmp_path / "searches.db")

    storage = f"sqlite:///{tmp_path / 'searches.db'}"
    made = [optuna.load_study(study_name=name, storage=storage) for name in optuna.get_all_study_names(storage)]
    assert {trial.state for each in made for trial in each.trials} == {optuna.trial.TrialState.FAIL}


def test_a_place_that_cannot_be_written_is_an_error_of_the_system(tmp_path: Path) -> None:
    store = _recorded(tmp_path)
    with pytest.raises(FileNotFoundError, match="none"):
        export_searches(store, "simulated", tmp_path / "none" / "searches.db")


def test_a_study_json_that_is_no_whole_study_is_named(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path / "store"))
    store.write_study("older", {"study": "older", "target": {"metric": "val/accuracy", "mode": "max"}})

    with pytest.raises(ExportError, match=r"study\.json of 'older' is incomplete: .*`ablate run` writes it again"):
        export_searches(store, "older", tmp_path / "searches.db")
