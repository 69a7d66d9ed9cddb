"""Learned maps from student width to teacher width, in training only, and the random streams they start from."""

from __future__ import annotations

import hashlib

import torch
from torch import nn


def stream(seed: int, name: str) -> torch.Generator:
    """Return a CPU generator for `name` that is independent of the streams of other names and seeds."""
    digest = hashlib.sha256(f"distillation/{name}/{seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def initial_projection(student_width: int, teacher_width: int, generator: torch.Generator) -> nn.Linear:
    """Return a linear map S -> T on the CPU with Xavier-uniform weights from `generator` and bias 0.

    The global random state is not touched: with and without a term, the rest of the trial draws the same numbers.
    """
    with torch.device("meta"):  # nn.Linear's own initial values would come from the global random state
        projection = nn.Linear(student_width, teacher_width)
    projection = projection.to_empty(device="cpu")
    nn.init.xavier_uniform_(projection.weight, generator=generator)
    nn.init.zeros_(projection.bias)
    return projection
