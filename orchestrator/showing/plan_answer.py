"""What `ablate plan --json` says."""

from __future__ import annotations

from dataclasses import fields
from typing import Literal

from ablative.frozen import Answer
from ablative.orchestrator.deciding.costs import Cost
from ablative.orchestrator.showing.check_answer import Sound
from ablative.orchestrator.showing.preflight import Outlook
from ablative.trainables.parts.trainable import Exposure


class CellExposure(Answer):
    """What a trial of a cell sees of its training data."""

    cell: str
    examples: int | None
    """In its share of the training data; null where that is not known."""
    seen: int | None
    """Examples that all its steps take together, each as often as it is taken; null where that is not known."""
    sequences_each: int
    """Sequences that pass through the student for one example."""
    note: str
    """Where the number of examples is from, or why it is not known; else empty."""
    passes: float | None
    """Passes over the trial's share of the training data."""


class PlanAnswer(Sound):
    """The answer of `ablate plan --json`: what `check` says, the counts of trials, and the cost."""

    plan_version: Literal[1] = 1
    taken: int
    """Trials that are recorded by other studies."""
    owed: int
    missing: str
    """Which data is not here, so that nothing counts as recorded; else empty."""
    recorded: int
    cost: Cost
    sequences: int | None
    """Sequences of picture and text that all owed trials train on; null where that is not known."""
    training_seconds: float | None
    """Seconds of one device at `--rate`; null without it."""
    exposure: tuple[CellExposure, ...]
    few_passes: tuple[str, ...]
    """Cells with all the data that do not see all of it once."""
    preflight: tuple[Outlook, ...]
    """What was measured of the study's teachers."""
    unmeasured: int
    """Cells with a teacher of which nothing was."""


def exposure_answer(cell: str, seen: Exposure) -> CellExposure:
    """Return what the trials of a cell see, as the answer has it."""
    own = {field.name: getattr(seen, field.name) for field in fields(seen)}
    return CellExposure(cell=cell, passes=seen.passes, **own)
