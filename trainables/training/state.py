"""The state from which a torch trial continues as if nothing had happened: weights, optimizers, generators."""

from __future__ import annotations

import io
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import torch

from ablative.trainables.course import Course
from ablative.trainables.training.devices import current_device


class TorchState:
    """The state of a trial's parts, and of every worker's generators: torch's global ones, and some others."""

    def __init__(
        self,
        course: Course,
        *,
        device: torch.device | None = None,
        generators: Mapping[str, torch.Generator] | None = None,
        **parts: Any,
    ) -> None:
        """Restore parts and generators from the course's checkpoint, if there is one; executes nothing in it.

        `parts`: by name, objects with `state_dict` and `load_state_dict`: modules, optimizers, schedules. `device`:
        the trial's device, the worker's unless given.
        """
        self.more: dict[str, Any] = {}
        """The extra values that `pack` received, in the attempt that this one continues."""
        self._ranks = course.ranks
        self._device = device or current_device()
        self._generators = generators or {}
        self._parts = parts
        if course.resumed is not None:
            self._unpack(course.resumed)

    def pack(self, **more: Any) -> Callable[[], bytes]:
        """Return a function that makes the bytes, as `Course.report` needs it; every worker must call it.

        `more`: further tensors, numbers and text by name, nested in dicts and lists, with their present values.
        """
        generators = self._ranks.gathered(self._generator_states())
        parts = {name: part.state_dict() for name, part in self._parts.items()}  # sharded: needs all workers

        def packed() -> bytes:
            buffer = io.BytesIO()
            torch.save({"generators": generators, "parts": parts, "more": more}, buffer)
            return buffer.getvalue()

        return packed

    def _unpack(self, content: bytes) -> None:
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        for name, part in self._parts.items():
            part.load_state_dict(found["parts"][name])
        self.more = found["more"]
        if len(found["generators"]) != self._ranks.world:
            return  # elastic: no result depends on what workers draw, each for itself
        states = found["generators"][self._ranks.rank]
        torch.set_rng_state(states["cpu"])
        for name, generator in self._generators.items():
            generator.set_state(states[f"own {name}"])
        if self._device.type == "cuda" and "cuda" in states:
            torch.cuda.set_rng_state(states["cuda"], self._device)

    def _generator_states(self) -> dict[str, torch.Tensor]:
        states = {"cpu": torch.get_rng_state()}
        states |= {f"own {name}": generator.get_state() for name, generator in self._generators.items()}
        if self._device.type == "cuda":
            states["cuda"] = torch.cuda.get_rng_state(self._device)
        return states
