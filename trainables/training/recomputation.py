"""Gradient checkpointing (`optim.gradient_checkpointing`): memory for time."""

from __future__ import annotations

from functools import partial

from torch.utils.checkpoint import checkpoint

from ablative.trainables.students.student import StudentModule


def recompute_blocks(student: StudentModule) -> None:
    """Let the backward pass recompute each of the encoder's `blocks`, so that only their inputs are kept.

    An encoder without `blocks` counts as one block. Dropout repeats the draws of the first time, so losses and
    gradients do not change.
    """
    for block in getattr(student.encoder, "blocks", None) or [student.encoder]:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)
