"""Local checkpoints of open_clip models, checked before a model loads them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ablative.trainables.students.checkpoint import read_tensors
from ablative.trainables.students.checkpoint import require_weights

_ARRAYS = (".npz", ".npy")
"""Big Vision's form, which open_clip reads itself, without pickles."""
_COUNTS = frozenset({torch.int64, torch.int32, torch.uint8, torch.bool})
"""Types of buffers that count or index, such as the number of batches seen by a norm."""
_MASK = "attn_mask"
"""Buffer that older files hold, minus infinity where attention is forbidden; open_clip makes its own."""


def load_checkpoint(model: Any, path: Path) -> None:
    """Fill an open_clip model from a checkpoint of its own (.pt, .safetensors, .npz). Executes nothing.

    Raises:
        CheckpointError: the file cannot be read as weights.
        ValueError: a tensor in it is no weight (`require_weights`). open_clip raises more kinds for what does not fit.
    """
    import open_clip

    if path.suffix not in _ARRAYS:
        require_weights_of(model, read_tensors(path))
    open_clip.load_checkpoint(model, str(path), weights_only=True)


def require_weights_of(model: torch.nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Raise ValueError for the first of `tensors` that is not a weight although the model needs one."""
    weights = {name for name, value in model.state_dict().items() if value.is_floating_point()}
    require_weights(
        {
            name: value
            for name, value in tensors.items()
            if not name.endswith(_MASK) and (name.removeprefix("module.") in weights or value.dtype not in _COUNTS)
        }
    )
