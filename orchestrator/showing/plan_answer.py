"""The answer model of `ablate plan --json`."""

from __future__ import annotations

from dataclasses import fields
from typing import Literal

from ablative.frozen import Answer
from ablative.orchestrator.deciding.costs import Cost
from ablative.orchestrator.showing.check_answer import Sound
from ablative.orchestrator.showing.preflight import Outlook
from ablative.trainables.parts.trainable import Exposure


class CellExposure(Answer):
    """How much of its training data a trial of a cell sees."""

    cell: str
    examples: int | None
    """Examples in its share of the training data; null if unknown."""
    seen: int | None
    """Examples seen over all steps, repeats included; null if unknown."""
    sequences_each: int
    """Sequences that pass through the student for one example."""
    note: str
    """Source of the number of examples, or the reason why it is unknown; else empty."""
    passes: float | None
    """Passes over the trial's share of the training data."""


class PlanAnswer(Sound):
    """The answer of `ablate plan --json`: what `check` says, the counts of trials, and the cost."""

    plan_version: Literal[1] = 1
    taken: int
    """Trials recorded by other studies."""
    owed: int
    missing: str
    """Data missing on this machine, so that nothing counts as recorded; else empty."""
    recorded: int
    cost: Cost
    sequences: int | None
    """Sequences of picture and text that all owed trials train on; null if unknown."""
    training_seconds: float | None
    """Seconds of one device at `--rate`; null without it."""
    exposure: tuple[CellExposure, ...]
    few_passes: tuple[str, ...]
    """Cells that train on all the data but do not see all of it even once."""
    preflight: tuple[Outlook, ...]
    """Measurements of the study's teachers."""
    unmeasured: int
    """Number of cells whose teacher was not measured."""


def exposure_answer(cell: str, seen: Exposure) -> CellExposure:
    """Return the exposure of a cell's trials, as in the answer."""
    own = {field.name: getattr(seen, field.name) for field in fields(seen)}
    return CellExposure(cell=cell, passes=seen.passes, **own)
