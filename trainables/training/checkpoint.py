"""The checkpoint of an unfinished trial: all that is needed to go on as if nothing had happened."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import dataclass
from typing import Any

import torch

from ablative.trainables.job import CurvePoint

FORMAT = 2
"""Raised when the content changes its meaning; a checkpoint of another format is as good as none."""


GeneratorStates = dict[str, torch.Tensor]
"""Name -> state, of one worker."""


@dataclass(slots=True, kw_only=True)
class Checkpoint:
    """The state of a trial after an evaluation."""

    trial_id: str
    world: int
    """Number of workers: each has drawn its own share of the batches and its own dropout."""
    step: int
    """Steps done."""
    module: dict[str, Any]
    """State of student and objective."""
    optimizer: dict[str, Any]
    best: float
    best_weights: dict[str, torch.Tensor]
    """Of the student."""
    curve: list[CurvePoint]
    generators: list[GeneratorStates]
    """Of each rank: name -> state of a generator, see `generator_states`."""
    seconds: float
    """Spent so far, lost attempts not counted."""
    samples_seen: int


def dumped(checkpoint: Checkpoint) -> bytes:
    """Return the checkpoint as bytes that hold tensors, numbers and text only."""
    content = {name: getattr(checkpoint, name) for name in Checkpoint.__slots__}
    content["curve"] = [asdict(point) for point in checkpoint.curve]
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **content}, buffer)
    return buffer.getvalue()


def loaded(content: bytes | None, *, trial_id: str, world: int) -> Checkpoint | None:
    """Return the checkpoint in `content`; None unless it is one of this trial on as many workers.

    What cannot be read is no reason to fail: the trial starts anew. Nothing in `content` is executed.
    """
    if content is None:
        return None
    try:
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if (found.pop("format"), found["trial_id"], found["world"]) != (FORMAT, trial_id, world):
            return None
        found["curve"] = [CurvePoint(**point) for point in found["curve"]]
        return Checkpoint(**found)
    except Exception:  # torch raises many kinds for bytes that were cut off or come from other code
        return None


def generator_states(device: torch.device, of_terms: Mapping[str, torch.Generator]) -> dict[str, torch.Tensor]:
    """Return the states of the global generators that a trial on `device` draws from, and of its objective's."""
    states = {"cpu": torch.get_rng_state(), **{f"term {name}": of.get_state() for name, of in of_terms.items()}}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_generators(
    states: dict[str, torch.Tensor], device: torch.device, of_terms: Mapping[str, torch.Generator]
) -> None:
    """Set the generators to `states`."""
    torch.set_rng_state(states["cpu"])
    for name, generator in of_terms.items():
        generator.set_state(states[f"term {name}"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
