"""What a task is: its files, and what is asked of a student about them. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ablative.trainables.parts.part import Kind
from ablative.trainables.parts.part import Part


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task(Part):
    """One task."""

    kind: ClassVar[Kind] = "task"
