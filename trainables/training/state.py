"""What a trial with torch goes on from as if nothing had happened: weights, optimizers, generators."""

from __future__ import annotations

import io
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import torch

from ablative.trainables.course import Course
from ablative.trainables.training.devices import current_device


class TorchState:
    """The state of a trial's parts, and of every worker's generators: of torch's global ones, and of some more."""

    def __init__(
        self,
        course: Course,
        *,
        device: torch.device | None = None,
        generators: Mapping[str, torch.Generator] | None = None,
        **parts: Any,
    ) -> None:
        """Set parts and generators to what the course goes on from, if there is anything; nothing of it is executed.

        `parts`: by name, what has `state_dict` and `load_state_dict`: modules, optimizers, schedules. `device`: the
        one that the trial computes on, the worker's unless given.
        """
        self.more: dict[str, Any] = {}
        """What `pack` was given more, in the attempt that this one goes on from."""
        self._ranks = course.ranks
        self._device = device or current_device()
        self._generators = generators or {}
        self._parts = parts
        if course.resumed is not None:
            self._unpack(course.resumed)

    def pack(self, **more: Any) -> Callable[[], bytes]:
        """Return what makes the bytes, as `Course.report` wants it; every worker must call it.

        `more`: further tensors, numbers and text by name, nested in dicts and lists, as of then.
        """
        generators = self._ranks.gathered(self._generator_states())
        parts = {name: part.state_dict() for name, part in self._parts.items()}  # of sharded ones, all workers' work

        def packed() -> bytes:
            buffer = io.BytesIO()
            torch.save({"generators": generators, "parts": parts, "more": more}, buffer)
            return buffer.getvalue()

        return packed

    def _unpack(self, content: bytes) -> None:
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        for name, part in self._parts.items():
            part.load_state_dict(found["parts"][name])
        states = found["generators"][self._ranks.rank]
        torch.set_rng_state(states["cpu"])
        for name, generator in self._generators.items():
            generator.set_state(states[f"own {name}"])
        if self._device.type == "cuda" and "cuda" in states:
            torch.cuda.set_rng_state(states["cuda"], self._device)
        self.more = found["more"]

    def _generator_states(self) -> dict[str, torch.Tensor]:
        states = {"cpu": torch.get_rng_state()}
        states |= {f"own {name}": generator.get_state() for name, generator in self._generators.items()}
        if self._device.type == "cuda":
            states["cuda"] = torch.cuda.get_rng_state(self._device)
        return states
