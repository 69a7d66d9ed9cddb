"""Gradient checkpointing (`optim.gradient_checkpointing`): memory for time."""

from __future__ import annotations

from functools import partial

from torch.utils.checkpoint import checkpoint

from ablative.trainables.students.student import StudentModule


def recompute_blocks(student: StudentModule) -> None:
    """Let the backward pass compute each of the encoder's `blocks` again, so that only their inputs are kept.

    An encoder that does not say what its blocks are is one. Dropout is drawn again as it was the first time: losses
    and gradients stay what they are.
    """
    for block in getattr(student.encoder, "blocks", None) or [student.encoder]:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)
