"""The optimiser of a trial: which parameters decay, and at which rate each part learns."""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import nn

from ablative.trainables.config import OptimConfig
from ablative.trainables.training.sharding import is_sharded

_HEAD = "student.head."
_POOLER = "student.head.layers.0."
"""BERT's pooler, which a published checkpoint brings: it learns at the encoder's rate."""


def optimizer_of(module: nn.Module, optim: OptimConfig, *, trunk: str = "") -> torch.optim.Optimizer:
    """AdamW with UNITER's betas, or SGD with VL-BERT's momentum; vectors (biases, norms) are not decayed.

    `module` is a `TrainingStep`. Its head, and its student's parameters whose names begin with `trunk`, learn at `lr`
    times their factors; everything else learns at `lr`.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = defaultdict(list)
    groups[1.0, True], groups[1.0, False] = [], []
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            groups[_factor(name, trunk, optim), parameter.dim() > 1].append(parameter)
    described = [
        {"params": parameters, "weight_decay": optim.weight_decay if decayed else 0.0, "factor": factor}
        for (factor, decayed), parameters in groups.items()
    ]
    if optim.optimizer == "sgd":
        fused = not is_sharded(module)  # torch 2.13 has no fused SGD for sharded parameters
        return torch.optim.SGD(described, lr=optim.lr, momentum=0.9, fused=fused)
    return torch.optim.AdamW(described, lr=optim.lr, betas=(0.9, 0.98), fused=True)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Let every parameter learn at `rate` times its factor."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["factor"]


def _factor(name: str, trunk: str, optim: OptimConfig) -> float:
    if trunk and name.startswith(f"student.{trunk}"):
        return optim.trunk_lr_factor
    return optim.head_lr_factor if name.startswith(_HEAD) and not name.startswith(_POOLER) else 1.0
