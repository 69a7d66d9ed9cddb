"""What a teacher is: a frozen model from pictures and texts to features. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ablative.trainables.parts.part import Kind
from ablative.trainables.parts.part import Part


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Teacher(Part):
    """One kind of teacher, which `teacher.model` names."""

    kind: ClassVar[Kind] = "teacher"
