"""What a teacher knows of a task is measured on its features, kept, and shown by the plan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ablative.orchestrator.commands.cli import ablate
from tests.helpers.answers import checked_answer
from tests.helpers.own_pictures import own_pictures
from tests.helpers.own_pictures import rows
from tests.helpers.small_folders import clip_folder


def asked(*words: str) -> str:
    ran = CliRunner().invoke(ablate, words, catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def test_a_persons_own_data_and_teacher_are_measured_once_and_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABLATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ABLATE_STORE", str(tmp_path / "store"))
    folder, teacher = own_pictures(tmp_path / "own", rows(80)), clip_folder(tmp_path / "clip")
    study: dict[str, Any] = {
        "study": "own",
        "question": "What does the teacher know?",
        "base": {
            "task": {"name": "image_text", "data": str(folder)},
            "teacher": {"model": "transformers", "transformers": {"folder": teacher.transformers.folder}},
            "distillation": {"terms": {"image": 1.0, "text": 1.0, "tokens": 0.0}, "weighting": {"confidence": "none"}},
        },
        "arms": {"listed": {"no_distillation": None, "naive_distillation": None}},
        "conditions": {"task.data_fraction": [0.2, 1.0]},
    }
    path = tmp_path / "own.json"
    path.write_text(json.dumps(study))

    asked("teacher", "probe", str(path), "--quiet")
    (low, whole) = json.loads(asked("plan", str(path), "--json", "--quiet"))["preflight"]
    kept = {file: file.stat().st_mtime_ns for file in (tmp_path / "cache" / "preflight").iterdir()}
    again = checked_answer("teacher_probe", asked("teacher", "probe", str(path), "--quiet", "--json"))
    cached = checked_answer("teacher_cache", asked("teacher", "cache", str(path), "--quiet", "--json"))
    shown = checked_answer("teacher_show", asked("teacher", "show", str(path), "--json"))

    assert [teacher["foresight"]["fitted"] for teacher in again["teachers"]] == [12, 64]
    assert cached["cache"] == shown["cache"] and shown["missing"] == []
    assert len(shown["teachers"]) == 1 and shown["teachers"][0]["tables"]
    assert len(kept) == 2
    assert kept == {file: file.stat().st_mtime_ns for file in (tmp_path / "cache" / "preflight").iterdir()}
    labels = [row["label"] for row in rows(80) if row["split"] == "validation"]
    assert whole["majority"] in {labels.count(label) / len(labels) for label in set(labels)}
    assert whole["text"] == 1.0, "each text names its label"
    assert whole["probe"] >= 0.75
    assert (low["fitted"], whole["fitted"]) == (12, 64)
    assert (low["condition"], low["teacher"]) == ("task.data_fraction=0.2", "transformers")
    assert (whole["student"], whole["warning"]) == (None, "")
