"""Ablation studies of distillation: one import name over the rooms at the top of the repository.

The names of `__all__` are for notebooks, scripts and parts of your own (docs/python.md). Each is imported on first
use, so that `import ablative` loads neither torch nor Ray.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING
from typing import Any

if TYPE_CHECKING:
    from pydantic import Field as Field

    from ablative.analysis.views.results import Results as Results
    from ablative.analysis.views.results import load as load
    from ablative.errors import AblativeError as AblativeError
    from ablative.orchestrator.commands.notebook import check as check
    from ablative.orchestrator.commands.notebook import plan as plan
    from ablative.orchestrator.commands.notebook import run as run
    from ablative.orchestrator.showing.checked import CheckedStudy as CheckedStudy
    from ablative.orchestrator.showing.planned import PlannedStudy as PlannedStudy
    from ablative.trainables.course import Course as Course
    from ablative.trainables.course import Evaluation as Evaluation
    from ablative.trainables.data.examples import Candidate as Candidate
    from ablative.trainables.data.examples import Example as Example
    from ablative.trainables.data.examples import TaskSplit as TaskSplit
    from ablative.trainables.data.examples import Text as Text
    from ablative.trainables.job import CurvePoint as CurvePoint
    from ablative.trainables.job import Link as Link
    from ablative.trainables.job import Prediction as Prediction
    from ablative.trainables.job import TrialJob as TrialJob
    from ablative.trainables.job import TrialOutcome as TrialOutcome
    from ablative.trainables.parts.part import Options as Options
    from ablative.trainables.parts.part import Part as Part
    from ablative.trainables.parts.preparation import Preparation as Preparation
    from ablative.trainables.parts.student import Preset as Preset
    from ablative.trainables.parts.student import Student as Student
    from ablative.trainables.parts.task import Layout as Layout
    from ablative.trainables.parts.task import Reading as Reading
    from ablative.trainables.parts.task import Shift as Shift
    from ablative.trainables.parts.task import Shifts as Shifts
    from ablative.trainables.parts.task import Source as Source
    from ablative.trainables.parts.task import Task as Task
    from ablative.trainables.parts.task import TaskFolder as TaskFolder
    from ablative.trainables.parts.teacher import Teacher as Teacher
    from ablative.trainables.parts.term import Term as Term
    from ablative.trainables.parts.trainable import Digests as Digests
    from ablative.trainables.parts.trainable import Roles as Roles
    from ablative.trainables.parts.trainable import Trainable as Trainable
    from ablative.trainables.students.student import StudentModule as StudentModule
    from ablative.trainables.training.state import TorchState as TorchState

_HOMES = {
    "ablative.orchestrator.commands.notebook": ("check", "plan", "run"),
    "ablative.analysis.views.results": ("load", "Results"),
    "ablative.orchestrator.showing.checked": ("CheckedStudy",),
    "ablative.orchestrator.showing.planned": ("PlannedStudy",),
    "ablative.errors": ("AblativeError",),
    "ablative.trainables.parts.part": ("Part", "Options"),
    "pydantic": ("Field",),
    "ablative.trainables.parts.term": ("Term",),
    "ablative.trainables.parts.student": ("Student", "Preset"),
    "ablative.trainables.students.student": ("StudentModule",),
    "ablative.trainables.parts.teacher": ("Teacher",),
    "ablative.trainables.parts.task": ("Task", "TaskFolder", "Layout", "Source", "Reading", "Shift", "Shifts"),
    "ablative.trainables.data.examples": ("Example", "Candidate", "Text", "TaskSplit"),
    "ablative.trainables.parts.trainable": ("Trainable", "Roles", "Digests"),
    "ablative.trainables.parts.preparation": ("Preparation",),
    "ablative.trainables.course": ("Course", "Evaluation"),
    "ablative.trainables.training.state": ("TorchState",),
    "ablative.trainables.job": ("TrialJob", "TrialOutcome", "CurvePoint", "Prediction", "Link"),
}
"""Module -> its names that this package exports too; `test_front_door.py` compares them with those above."""
__all__ = [*(name for names in _HOMES.values() for name in names)]
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

if not TYPE_CHECKING:  # type checkers know exactly these names

    def __getattr__(name: str) -> Any:
        if name not in _HOME_OF:
            raise AttributeError(f"module 'ablative' has no attribute {name!r}; it has {', '.join(__all__)}")
        found = getattr(import_module(_HOME_OF[name]), name)
        globals()[name] = found
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
