"""A plan shows what is known of teachers before it runs, beside what students have reached, and warns of weak ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import ablative
from ablative.orchestrator.commands import composition
from ablative.orchestrator.showing.preflight import Outlook
from ablative.orchestrator.showing.preflight import outlook_lines
from ablative.orchestrator.showing.preflight import outlooks
from ablative.orchestrator.showing.preflight import warnings
from ablative.trainables import prepare
from ablative.trainables.cache import cache_folder
from ablative.trainables.config import TrialConfig
from ablative.trainables.parts.trainable import Digests
from ablative.trainables.parts.trainable import Foresight
from ablative.trainables.teachers import probe
from ablative.trainables.teachers.probes import TeacherProbes

BASE: dict[str, Any] = {"distillation": {"terms": {"image": 1.0, "text": 1.0, "tokens": 1.0}}}
STUDY: dict[str, Any] = {
    "study": "little",
    "question": "Is the teacher worth it?",
    "base": BASE,
    "arms": {
        "listed": {"no_distillation": None, "clip_td": {}},
        "controls": ["shuffled_teacher", "untrained_teacher", "text_only"],
    },
    "conditions": {"task.data_fraction": [0.01, 1.0]},
}
LOW, ALL = "task.data_fraction=0.01", "task.data_fraction=1.0"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ABLATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ABLATE_STORE", raising=False)


def foresight(probe: float, majority: float = 0.36, teacher: str = "small") -> Foresight:
    sides = {"probe": probe, "majority": majority, "text": 0.4, "image": 0.35}
    measured = {side: {"accuracy": value, "n": 600.0} for side, value in sides.items()}
    return Foresight(teacher=teacher, measured=measured, fitted=80, examples=600)


def looked(foresights: Callable[[TrialConfig], Foresight | None], best: dict[str, float]) -> list[Outlook]:
    """What is found of the cells above, given what their best settings reached."""
    loaded = composition.load(STUDY)
    queue = composition.unrecorded_queue(loaded)
    probes = TeacherProbes(Path("cache"), lambda config: Digests())
    progress = [replace(row, best=best.get(row.cell)) for row in queue.progress()]
    return outlooks(queue.cells, progress, probes.sees, foresights, ("val/accuracy", "max"))


def of_the_teacher(probe: float) -> Callable[[TrialConfig], Foresight | None]:
    """Of the teacher as it is."""
    probes = TeacherProbes(Path("cache"), lambda config: Digests())
    return lambda config: (
        foresight(probe) if probes.sees(config) == "teacher" and config.teacher.control == "none" else None
    )


def test_a_row_has_the_probes_and_the_students_of_its_condition() -> None:
    reached = {f"no_distillation|{LOW}": 0.41, f"text_only|{LOW}": 0.39, f"clip_td|{LOW}": 0.9}
    low, whole = looked(of_the_teacher(0.45), reached)

    assert (low.condition, low.teacher, low.cells) == (LOW, "small", (f"clip_td|{LOW}",))
    assert (low.majority, low.text, low.image, low.probe) == (0.36, 0.4, 0.35, 0.45)
    assert (low.student, low.student_text, low.student_image) == (0.41, 0.39, None)
    assert (whole.condition, whole.student, whole.student_text) == (ALL, None, None)
    assert list(warnings([low, whole])) == []


def test_a_teacher_no_better_than_the_student_or_the_majority_class_is_a_warning() -> None:
    low, whole = looked(of_the_teacher(0.41), {f"no_distillation|{LOW}": 0.41})
    assert list(warnings([low, whole])) == [
        f"warning: {LOW}: the probe of small (0.410) is no better than the plain student (0.410) on val/accuracy, "
        "so it can teach little there"
    ]

    (line, _) = warnings(looked(of_the_teacher(0.275), {f"no_distillation|{LOW}": 0.37}))
    assert "no better than the majority class (0.360) and the plain student (0.370)" in line


def test_the_shuffled_control_and_students_of_texts_alone_have_no_probe_of_their_own() -> None:
    probes = TeacherProbes(Path("cache"), lambda config: Digests())
    cells = composition.unrecorded_queue(composition.load(STUDY)).cells
    seen = {cell.cell.arm: probes.sees(cell.config) for cell in cells}

    assert seen == {
        "no_distillation": "both",
        "clip_td": "teacher",
        "shuffled_teacher": "other",
        "untrained_teacher": "teacher",
        "text_only": "text",
    }


def test_a_plan_without_measured_teachers_says_how_they_are_measured() -> None:
    planned = ablative.plan(STUDY, quiet=True)

    assert (planned.values()["preflight"], planned.values()["unmeasured"]) == ([], 4)
    assert "teachers of 4 cells are not measured; `ablate teacher probe" in str(planned)
    assert not [*outlook_lines([], 0, "little")]


def test_a_plan_shows_what_was_kept_for_its_data_and_teacher_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[TrialConfig] = []

    def foresee(config: TrialConfig, cache: Path, progress: Any, **_: int) -> Foresight:
        measured.append(config)
        return foresight(0.3 if config.task.data_fraction < 1 else 0.5, teacher=config.teacher.model)

    monkeypatch.setattr(probe, "foresee", foresee)
    monkeypatch.setattr(prepare, "prepare_data", lambda *_: None)
    for _ in range(2):  # what is there is not measured again
        composition.probe_teachers(composition.load(STUDY), cache_folder(), lambda *_: None)
    assert len(measured) == 4, "two fractions of the teacher, and of the untrained one"

    planned = ablative.plan(STUDY, quiet=True)
    rows = planned.values()["preflight"]
    assert [(row["condition"], row["probe"], row["cells"]) for row in rows] == [
        (LOW, 0.3, [f"clip_td|{LOW}", f"untrained_teacher|{LOW}"]),
        (ALL, 0.5, [f"clip_td|{ALL}", f"untrained_teacher|{ALL}"]),
    ]
    assert planned.values()["unmeasured"] == 0
    assert f"{LOW}: the probe of mini_dual_encoder (0.300) is no better than the majority class" in str(planned)
    other = ablative.plan({**STUDY, "base": {**BASE, "task": {"data": "mini_smoke"}}}, quiet=True)
    assert (other.values()["preflight"], other.values()["unmeasured"]) == ([], 4)
