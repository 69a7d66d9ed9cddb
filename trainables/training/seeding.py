"""Global generators of a trial, so that earlier work in the same process leaves no trace."""

from __future__ import annotations

import random

import numpy as np
import torch


def seed_everything(seed: int, stream: int) -> None:
    """Reset every global generator; another `stream` gives other draws, for a separate rank or stage."""
    state = int(np.random.SeedSequence([seed, stream]).generate_state(1)[0])
    random.seed(state)
    np.random.seed(state)  # noqa: NPY002 - libraries may draw from the global generator
    torch.manual_seed(state)
