"""Where a trial computes."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from typing import TypeVar

import torch

K = TypeVar("K")
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
    moved: T = _changed(value, lambda tensor: tensor.to(device, non_blocking=True))
    return moved


def loaded(make: Callable[[K], T], keys: Iterable[K], device: torch.device) -> Iterator[T]:
    """Yield `make(key)` of each key on the device; it is made of tensors, dataclasses, lists and tuples.

    For a GPU, a thread makes the next value while this one is in use, in memory that the GPU reads by itself. On a CPU
    the thread would only take turns with the computation, so values are made on demand.
    """
    if device.type == "cpu":
        yield from map(make, keys)
        return

    def pinned(key: K) -> Any:
        return _changed(make(key), torch.Tensor.pin_memory)

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="loading") as thread:
        waiting: deque[Future[Any]] = deque()
        for key in keys:
            waiting.append(thread.submit(pinned, key))
            if len(waiting) > 1:
                yield to_device(waiting.popleft().result(), device)
        for last in waiting:
            yield to_device(last.result(), device)


def _changed(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, tuple | list):
        return type(value)(_changed(one, change) for one in value)
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    parts = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return type(value)(**{name: _changed(part, change) for name, part in parts.items()})
