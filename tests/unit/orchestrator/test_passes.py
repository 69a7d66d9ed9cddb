"""A plan says how often each cell sees its training data, so that 100 % of the data is not taken for full training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import ablative
from ablative.trainables.config import TrialConfig
from ablative.trainables.exposure import Exposures
from tests.unit.trainables.real_layouts import make_snli_ve


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ABLATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ABLATE_STORE", raising=False)


def _study(**base: Any) -> dict[str, Any]:
    return {
        "study": "little",
        "question": "How often are the data seen?",
        "base": base,
        "arms": {"listed": {"no_distillation": None, "longer_training": None}},
        "conditions": {"task.data_fraction": [0.1, 1.0]},
    }


OPTIM = {"batch_size": 8, "epochs": 1, "min_steps": 100, "max_steps": 250}


def test_each_cell_has_its_passes_by_steps_batch_and_share() -> None:
    planned = ablative.plan(_study(optim=OPTIM), quiet=True)
    found = {cell: exposure.passes for cell, exposure in planned.exposures.items()}
    assert found == {  # of 8,000 statements
        "no_distillation|task.data_fraction=0.1": 100 * 8 / 800,
        "longer_training|task.data_fraction=0.1": 150 * 8 / 800,
        "no_distillation|task.data_fraction=1.0": 250 * 8 / 8000,
        "longer_training|task.data_fraction=1.0": 375 * 8 / 8000,
    }
    (line,) = [line for line in str(planned).splitlines() if line.startswith("no_distillation|task.data_fraction=1.0")]
    assert line.split()[-2:] == ["0.25", "confirm"]


def test_all_the_data_seen_less_than_once_is_a_warning() -> None:
    planned = ablative.plan(_study(optim=OPTIM), quiet=True)
    (warning,) = [line for line in str(planned).splitlines() if line.startswith("warning: 2 cells")]
    assert "0.25" in warning and "no_distillation|task.data_fraction=1.0" in warning
    assert planned.values()["few_passes"] == [
        "no_distillation|task.data_fraction=1.0",
        "longer_training|task.data_fraction=1.0",
    ]
    assert planned.values()["exposure"][0] == {
        "cell": "no_distillation|task.data_fraction=0.1",
        "examples": 800,
        "seen": 800,
        "sequences_each": 1,
        "passes": 1.0,
        "note": "",
    }
    trained = ablative.plan(_study(optim=OPTIM | {"epochs": 20, "max_steps": 20_000}), quiet=True)
    assert trained.values()["few_passes"] == [] and "warning: 2 cells" not in str(trained)


@pytest.mark.parametrize(("task", "examples"), [("vcr", 404_553), ("snli_ve", 529_527), ("vqa", 421_569)])
def test_without_its_files_a_data_set_counts_as_published_and_the_plan_says_so(task: str, examples: int) -> None:
    planned = ablative.plan(f"clip_td_{task}", quiet=True)
    whole = [e for name, e in planned.exposures.items() if name.endswith("task.data_fraction=1.0")]
    assert {exposure.examples for exposure in whole} == {examples}
    assert f"{task}: {examples:,} examples, as published; its files are not in data/{task}" in str(planned)


def test_data_that_nobody_knows_have_no_passes_and_the_plan_says_why() -> None:
    planned = ablative.plan(_study(task={"name": "image_text", "data": "pictures"}), quiet=True)
    assert {exposure.passes for exposure in planned.exposures.values()} == {None}
    assert "the files of image_text are not in pictures, so that its examples cannot be counted" in str(planned)


def test_rows_of_a_folder_are_counted(tmp_path: Path) -> None:
    folder = make_snli_ve(tmp_path / "snli_ve")
    rows = len((folder / "snli_ve_train.jsonl").read_text().splitlines())
    config = TrialConfig().model_validate({"task": {"data": str(folder)}, "optim": {"epochs": 4, "min_steps": 1}})
    exposure = Exposures(tmp_path).of(config)
    assert (exposure.examples, exposure.seen) == (rows, 4 * 64)


def test_a_trainable_that_says_nothing_of_its_data_has_no_passes() -> None:
    study: dict[str, Any] = {"study": "none", "question": "?", "trainable": "simulated", "base": {}}
    planned = ablative.plan(study, quiet=True)
    assert planned.exposures == {} and "passes" not in str(planned)
