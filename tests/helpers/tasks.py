"""The tasks that ship, by name."""

from __future__ import annotations

from ablative.trainables.parts.catalogue import bundled
from ablative.trainables.parts.task import Task

TASKS = bundled().of(Task)
