"""Student weights on disk: safetensors only, so that reading them executes nothing."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save_file
from torch import nn

from trainables.students.presets import checkpoint_path


class CheckpointError(ValueError):
    """A student checkpoint is absent or does not fit."""


def save_encoder(encoder: nn.Module, path: Path, metadata: dict[str, str]) -> None:
    """Write the encoder's parameters as float16 (half the size; frozen word vectors are not parameters)."""
    tensors = {name: value.to(torch.float16).contiguous() for name, value in encoder.state_dict().items()}
    save_file(tensors, path, metadata=metadata)


def load_encoder(encoder: nn.Module, preset: str, init: str) -> None:
    """Fill `encoder` from the checkpoint that `init` means.

    Raises:
        CheckpointError: absent, unreadable, or other names or shapes than the encoder's.
    """
    path = checkpoint_path(preset, init)
    if not path.is_file():
        remedy = "use student.init=scratch or a checkpoint's path" if init == "pretrained" else "check student.init"
        raise CheckpointError(f"no student checkpoint at {path.name} for preset {preset!r} (init={init!r}): {remedy}")
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise CheckpointError(f"{path}: not a safetensors file ({error})") from error
    wanted = {name: tuple(value.shape) for name, value in encoder.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in tensors.items()}
    wrong = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if wrong:
        first = wrong[0]
        raise CheckpointError(
            f"{path}: does not fit preset {preset!r}: {len(wrong)} tensors differ, first {first!r}: "
            f"wanted {wanted.get(first)}, found {found.get(first)}"
        )
    encoder.load_state_dict({name: value.float() for name, value in tensors.items()})
