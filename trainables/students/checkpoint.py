"""Student weights on disk. Ours are safetensors; published ones are read too, and reading executes nothing."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save_file
from torch import nn

_WRAPPERS = ("state_dict", "model")


class CheckpointError(ValueError):
    """A student checkpoint cannot be read or does not fit."""


def save_encoder(encoder: nn.Module, path: Path, metadata: dict[str, str]) -> None:
    """Write the encoder's parameters as float16 (half the size; frozen word vectors are not parameters)."""
    tensors = {name: value.to(torch.float16).contiguous() for name, value in encoder.state_dict().items()}
    save_file(tensors, path, metadata=metadata)


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a .safetensors file, or of what `torch.save` wrote (.pt, .bin, .model); memory-mapped.

    A state dict inside a training checkpoint (`state_dict`, `model`) is found.

    Raises:
        CheckpointError: the file is neither, or holds more than tensors, numbers and text.
    """
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except SafetensorError as error:
            raise CheckpointError(f"{path}: not a safetensors file ({error})") from error
    try:  # files of the time before torch 1.6 are no zip archives and cannot be mapped
        content: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        # torch's own words advise to load all the same what it refused.
        said = next(iter(str(error).splitlines()), type(error).__name__)
        found = "it holds more than tensors, numbers and text" if "weights_only" in str(error) else said
        raise CheckpointError(
            f"{path}: cannot be read as weights alone ({found}); wanted a state dict, or save it as .safetensors"
        ) from error
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    tensors = dict(content) if isinstance(content, Mapping) else {}
    return {str(name): value for name, value in tensors.items() if isinstance(value, torch.Tensor)}
