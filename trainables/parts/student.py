"""What a student is: a model that reads a batch of a task and is trained. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ablative.trainables.parts.part import Kind
from ablative.trainables.parts.part import Part


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Student(Part):
    """One family of students, of which `student.preset` names a size."""

    kind: ClassVar[Kind] = "student"
    presets: tuple[str, ...]
    """Names of its sizes, as `student.preset` has them; unique over all students."""
