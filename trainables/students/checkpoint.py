"""Student weights on disk. Ours are safetensors; published formats are read too, and reading executes nothing."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from safetensors.torch import save_file
from torch import nn

from ablative.errors import AblativeError
from ablative.trainables.strangers import parsing
from ablative.trainables.strangers import printable
from ablative.trainables.torch_zip import require_whole

_WRAPPERS = ("state_dict", "model")


class CheckpointError(AblativeError, ValueError):
    """A student checkpoint cannot be read or does not fit."""


def save_encoder(encoder: nn.Module, path: Path, metadata: dict[str, str]) -> None:
    """Write the encoder's parameters as float16 (half the size; frozen word vectors are not parameters)."""
    tensors = {name: value.to(torch.float16).contiguous() for name, value in encoder.state_dict().items()}
    save_file(tensors, path, metadata=metadata)


def said_norm_eps(path: Path) -> float | None:
    """Return the epsilon of the norms that one of our files names; None if it names none."""
    if path.suffix != ".safetensors":
        return None
    with parsing(f"{path}: cannot be read as weights alone", "give a whole .safetensors file", CheckpointError):
        with safe_open(path, "pt") as file:
            said = (file.metadata() or {}).get("norm_eps")
        return None if said is None else float(said)


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a .safetensors file, or of what `torch.save` wrote (.pt, .bin, .model); memory-mapped.

    Also finds a state dict inside a training checkpoint (`state_dict`, `model`).

    Raises:
        CheckpointError: the file is neither, or holds more than tensors, numbers and text.
    """
    remedy = "give a state dict that `torch.save` wrote, or a .safetensors file"
    with parsing(f"{path}: cannot be read as weights alone", remedy, CheckpointError, passed=CheckpointError):
        content: Any = load_file(path) if path.suffix == ".safetensors" else _saved_by_torch(path)
        for wrapper in _WRAPPERS:
            if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
                content = content[wrapper]
        tensors = dict(content) if isinstance(content, Mapping) else {}
        return {str(name): value for name, value in tensors.items() if isinstance(value, torch.Tensor)}


def require_weights(tensors: Mapping[str, torch.Tensor]) -> None:
    """Raise ValueError for the first tensor that is not an array of finite real numbers, complete in the file.

    Copied into a parameter, a complex number would silently lose half of itself, and a quantised whole number would be
    taken for its value. A tensor without strides or numbers of its own would fail later, or worse.
    """
    for name, value in tensors.items():
        found = _fault(value)
        if found:
            raise ValueError(f"{printable(name)} is {found}, no weight of finite floating-point numbers")


def _fault(value: torch.Tensor) -> str:
    if value.layout != torch.strided:
        return f"sparse ({value.layout})"
    if value.device.type != "cpu":
        return f"on device {value.device.type}"
    if not value.is_floating_point():
        return f"of type {value.dtype}"
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        return f"of shape {tuple(value.shape)} over {value.untyped_storage().nbytes():,} bytes"
    return "" if value.isfinite().all() else "not finite"


def _saved_by_torch(path: Path) -> Any:
    mapped = zipfile.is_zipfile(path)  # files from before torch 1.6 are not zip archives and cannot be mapped
    if mapped:
        require_whole(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols that damaged bytes claim
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except (pickle.UnpicklingError, RuntimeError) as error:
        if "weights_only" in str(error):  # torch's own message advises to load what it has just refused
            raise ValueError("it holds more than tensors, numbers and text") from error
        raise
