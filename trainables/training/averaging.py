"""The exponential moving average of a student's weights (`optim.ema`).

    e_0 = w_0,   e_t = d_t e_(t-1) + (1 - d_t) w_t   after step t,   d_t = min(decay, t / (9 + t))

The decay rises to its value, as in TensorFlow's `ExponentialMovingAverage` with the number of updates. Otherwise a
short training would never leave its starting weights. Buffers are not averaged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ablative.trainables.training.sharding import own_part
from ablative.trainables.training.sharding import part_of_whole
from ablative.trainables.training.sharding import whole_of_parts


class AveragedWeights:
    """The averages of a module's trained parameters; if sharded, each worker has those of its own part."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        """Start from the present weights of `module`."""
        self._trained = {name: found for name, found in module.named_parameters() if found.requires_grad}
        self._decay = decay
        self._updates = 0
        self._weights = [own_part(parameter) for parameter in self._trained.values()]
        self._averages = [weight.clone() for weight in self._weights]

    @torch.no_grad()
    def update(self) -> None:
        """Take the weights in, after a step."""
        self._updates += 1
        decay = min(self._decay, self._updates / (9 + self._updates))
        torch._foreach_lerp_(self._averages, self._weights, 1.0 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Give the module the averages for a while."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def state_dict(self) -> dict[str, Any]:
        """Return the averages, whole; every worker must call it."""
        pairs = zip(self._averages, self._trained.values(), strict=True)
        whole = [whole_of_parts(average, parameter) for average, parameter in pairs]
        return {"updates": self._updates, "averages": dict(zip(self._trained, whole, strict=True))}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from the result of `state_dict`; every worker must call it."""
        self._updates = state["updates"]
        for average, (name, parameter) in zip(self._averages, self._trained.items(), strict=True):
            average.copy_(part_of_whole(state["averages"][name], parameter))

    @torch.no_grad()
    def _exchange(self) -> None:
        for weight, average in zip(self._weights, self._averages, strict=True):
            before = weight.clone()
            weight.copy_(average)
            average.copy_(before)
