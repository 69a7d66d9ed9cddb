"""The card of an exported student says what was recorded of it, and how its own cell was judged."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from ablative.analysis import rounding
from ablative.analysis.showing.card import Leaving
from ablative.analysis.showing.card import card
from ablative.analysis.views.results import load
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.store import Store
from ablative.trainables.config import TrialConfig
from ablative.trainables.parts.catalogue import bundled
from ablative.trainables.parts.task import Task
from tests.helpers.results import StudyResults

STUDY = StudyResults(effect={"clip_td": 0.04}, confirm=range(1, 11))
SEEDS = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10"
CONDITION = {"task.name": "vqa", "task.data_fraction": 0.01}
LABEL = "task.name=vqa, task.data_fraction=0.01"
HUB_TASKS = {
    "image-text-to-text",
    "visual-question-answering",
    "zero-shot-image-classification",
    "image-classification",
}
"""Pipeline tags of Hugging Face's hub for what reads pictures."""
LEAVING = Leaving(files=["modeling.py"], inputs=["ids_BL"], hub_task="visual-question-answering")


def record_of(study: StudyResults, arm: str, **changes: Any) -> Record:
    wanted = {path: json.dumps(value) for path, value in CONDITION.items()}
    found = [one for one in study.records() if (one.arm, one.phase, one.condition) == (arm, "confirm", wanted)]
    return found[0].model_copy(update=changes)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return STUDY.write(str(tmp_path))


def metadata(text: str) -> dict[str, Any]:
    begin, front, _ = text.split("---\n", 2)
    assert begin == ""
    return dict(yaml.safe_load(front))


def test_the_metadata_has_the_records_metrics_split_by_split_and_the_tasks_tag(store: Store) -> None:
    config = TrialConfig.model_validate({"task": {"name": "vqa", "data": "/somebody/at/home/vqa2"}})
    record = record_of(STUDY, "clip_td", config=config.model_dump_json())
    record = record.model_copy(update={"metrics": {**record.metrics, "test/odd": math.nan}})
    text = card(store.uri, STUDY.study, record, LEAVING)
    (model,) = metadata(text)["model-index"]
    told = {one["name"]: one["value"] for result in model["results"] for one in result["metrics"]}

    finite = {name: value for name, value in record.metrics.items() if math.isfinite(value)}
    assert told == {name: value for name, value in finite.items() if not name.startswith("train/")}
    assert {result["task"]["type"] for result in model["results"]} == {"visual-question-answering"}
    assert metadata(text)["pipeline_tag"] == "visual-question-answering"
    for result in model["results"]:
        assert result["dataset"]["name"] == "vqa2"
        assert all(one["name"] == f"{result['dataset']['split']}/{one['type']}" for one in result["metrics"])
    assert "/somebody/at/home" not in text


def test_the_result_is_that_of_the_students_own_cell(store: Store) -> None:
    text = card(store.uri, STUDY.study, record_of(STUDY, "clip_td"), LEAVING)
    rows = load(store.uri, STUDY.study).arrow("effects").to_pylist()
    places = {"family": "cells", "condition": LABEL, "is_headline": True}
    here = {row["arm"]: row for row in rows if all(row[name] == value for name, value in places.items())}
    own, reference = here["clip_td"], here["no_distillation"]

    for row, name in ((own, "clip_td"), (reference, "no_distillation (reference)")):
        interval = f"{row['ci_low']:.4f} to {row['ci_high']:.4f}"
        assert f"| {name} | {row['mean']:.4f} | {interval} | {SEEDS} |" in text
    size = rounding.decimals_for(rounding.half(own))
    interval = rounding.interval(own["verdict_ci_low"], own["verdict_ci_high"])
    difference = f"Difference {own['difference']:+.{size}f}, 95 % interval {interval}; "
    assert f"clip_td is better than no_distillation on test/accuracy at {LABEL}, by " in text
    assert f"corrected p {rounding.p_text(own['p_corrected'])}, 10 blocks of task and seed). {difference}" in text
    assert f"; sign-flip test, Holm-corrected for {own['comparisons']} comparisons, alpha 0.05." in text
    assert own["difference"] != next(row for row in rows if row["family"] == "pooled")["difference"]
    assert "commit `abc1234`; torch 2.13.0" in text


def test_the_reference_arm_is_compared_with_nothing(store: Store) -> None:
    text = card(store.uri, STUDY.study, record_of(STUDY, "no_distillation"), LEAVING)

    assert "This is the reference arm of the study." in text


def test_trials_that_cannot_be_compared_leave_the_card_without_a_comparison(tmp_path: Path) -> None:
    def other_data(record: Record) -> Record:
        return record.model_copy(update={"data_digest": "e" * 12}) if record.seed == 2 else record

    store = STUDY.write(str(tmp_path), other_data)
    text = card(store.uri, STUDY.study, record_of(STUDY, "clip_td"), LEAVING)

    assert "Not compared with other arms: " in text
    assert metadata(text)["model-index"]


def test_every_task_that_ships_has_a_tag_of_the_hub() -> None:
    tags = {name: task.hub_task for name, task in bundled().of(Task).items()}

    assert set(tags.values()) <= HUB_TASKS
    assert (tags["vqa"], tags["snli_ve"]) == ("visual-question-answering", "image-text-to-text")
