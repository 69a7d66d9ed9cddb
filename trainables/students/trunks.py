"""The trainable visual trunk of a student, as in CLIP-ViL (arXiv 2107.06383): fine-tuned grid features.

Either the bundled teacher's image tower, or the visual tower of any open_clip model with a local checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from ablative.trainables.config import StudentConfig
from ablative.trainables.open_clip_log import weights_follow
from ablative.trainables.open_clip_weights import load_checkpoint
from ablative.trainables.strangers import parsing
from ablative.trainables.students.checkpoint import CheckpointError
from ablative.trainables.torchvision_ops import declare_missing_ops
from ablative.trainables.vision.pixels import PICTURE_SIZE


class Trunk(nn.Module):
    """Pixels to a map of features, one vector a cell. I pictures, P x Q cells, F features."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, layers: nn.Module, *, mean: Sequence[float], std: Sequence[float], size: int) -> None:
        """`layers` give (I, F, P, Q) of normalised pictures of `size` pixels.

        Parameters that do not reach the map (CLIP's pooling and projection) are frozen: one backward pass finds them.
        """
        super().__init__()
        self.layers = layers
        self.size = size
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)
        layers.requires_grad_(True).eval()
        found: torch.Tensor = layers(torch.zeros(1, 3, size, size))
        found.sum().backward()
        for parameter in layers.parameters():
            parameter.requires_grad_(parameter.grad is not None)
            parameter.grad = None
        self.width, self.grid = found.shape[1], (found.shape[2], found.shape[3])

    def forward(self, pixels_I3HW: torch.Tensor) -> torch.Tensor:
        """(I, P, Q, F) of uint8 pixels, which are resized where the model wants another size."""
        pictures = pixels_I3HW.float() / 255
        if pictures.shape[-1] != self.size:
            pictures = F.interpolate(pictures, size=(self.size, self.size), mode="bilinear", antialias=True)
        normal = ((pictures - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        map_IFPQ: torch.Tensor = self.layers(normal)
        return map_IFPQ.permute(0, 2, 3, 1)

    def train(self, mode: bool = True) -> Trunk:
        """Batch norms keep the statistics they came with, because fine-tuning batches are small and alike."""
        super().train(mode)
        for module in self.layers.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self


class _OpenClipMap(nn.Module):
    """The last feature map of an open_clip visual tower, ahead of pooling and projection."""

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        self.visual = visual

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        tower: Any = self.visual
        found = tower.forward_intermediates(pictures, indices=1, intermediates_only=True, output_fmt="NCHW")
        last: torch.Tensor = found["image_intermediates"][-1]
        return last


def bundled_trunk() -> Trunk:
    """A copy of the bundled teacher's image tower: EfficientNet-Lite0 with ImageNet weights."""
    import copy

    from ablative.trainables.vision.trunk import PIXEL_MEAN
    from ablative.trainables.vision.trunk import PIXEL_STD
    from ablative.trainables.vision.trunk import imagenet_trunk

    layers = copy.deepcopy(imagenet_trunk())
    return Trunk(layers, mean=[PIXEL_MEAN] * 3, std=[PIXEL_STD] * 3, size=PICTURE_SIZE)


def open_clip_trunk(config: StudentConfig) -> Trunk:
    """The visual tower of `student.trunk_model` with the weights of `student.trunk_checkpoint`; fresh without one.

    Raises:
        CheckpointError: no such model, or a checkpoint of another one.
    """
    declare_missing_ops()
    import open_clip

    name = config.trunk_model
    if name not in open_clip.list_models():
        raise CheckpointError(f"student.trunk_model: found {name!r}; wanted a name of open_clip.list_models()")
    with weights_follow():
        model = open_clip.create_model(name, load_weights=False, pretrained_text=False)
    if config.trunk_checkpoint is not None:
        place = f"student.trunk_checkpoint: {config.trunk_checkpoint} cannot be loaded into {name}"
        with parsing(place, "give this model's own weights", CheckpointError):
            load_checkpoint(model, Path(config.trunk_checkpoint).expanduser())
    pictures = open_clip.get_model_preprocess_cfg(model)
    size = model.visual.image_size
    return Trunk(
        _OpenClipMap(model.visual),
        mean=pictures["mean"],
        std=pictures["std"],
        size=size[0] if isinstance(size, tuple | list) else size,
    )


def require_trunk_weights(config: StudentConfig) -> None:
    """Raise CheckpointError if no setting says what the trunk starts from."""
    if config.trunk_checkpoint is None:
        raise CheckpointError(
            f"student.trunk_checkpoint: {config.preset} has no weights for {config.trunk_model}; give the local path "
            "of its open_clip checkpoint (.pt or .safetensors)"
        )
