"""Where a trial computes."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

import torch

T = TypeVar("T")


def current_device() -> torch.device:
    """The worker's GPU if it has one, else the CPU."""
    return torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")


def precision(name: str, device: torch.device) -> torch.autocast:
    """The context in which a student computes: `float32`, or `bfloat16` where that loses little (autocast)."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=name == "bfloat16")


def to_device(value: T, device: torch.device) -> T:
    """A copy of a dataclass of tensors, nested ones included, on `device`; the value itself on the CPU."""
    if device.type == "cpu":
        return value
    return dataclasses.replace(  # type: ignore[type-var]
        value,
        **{field.name: _moved(getattr(value, field.name), device) for field in dataclasses.fields(value)},  # type: ignore[arg-type]
    )


def _moved(value: object, device: torch.device) -> object:
    if isinstance(value, torch.Tensor):
        return value.to(device, non_blocking=True)
    return to_device(value, device) if dataclasses.is_dataclass(value) else value
