"""Features of single patches from open_clip's three kinds of image tower, through the tower's own head.

Training matched only the pooled feature to texts. That the head also places single patches near their words is an
observation about such models, not a promise.

Dimensions: B images, P patches (row by row), D joint width, F trunk width.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ablative.trainables.teachers.errors import TeacherError
from ablative.trainables.teachers.text_tower import project


def read_patches(model: Any, pixels_B3HW: Tensor) -> Tensor:
    """Return (B, P, D), not normalised.

    Vision transformers: final states of the patches, class token left out. timm trunks with average pooling: cells of
    the last map, whose mean is the image's feature. OpenAI's ResNets: values of the attention pooling.

    Raises:
        TeacherError: the image tower pools in another way, so its patches have no place in the joint space.
    """
    tower, kind = model.visual, type(model.visual).__name__
    if kind == "VisionTransformer" and tower.attn_pool is None and tower.pool_type in ("tok", "avg"):
        return _vision_transformer(tower, pixels_B3HW)
    if kind == "TimmModel" and _averages(tower):
        return _averaged_map(tower, pixels_B3HW)
    if kind == "ModifiedResNet":
        return _resnet(tower, pixels_B3HW)
    raise TeacherError(
        f"teacher.model: an image tower of type {kind} gives no patch features; wanted a VisionTransformer that pools "
        "by token or average, a timm trunk with average pooling, or an OpenAI ResNet"
    )


def _vision_transformer(tower: Any, pixels_B3HW: Tensor) -> Tensor:
    before = tower.output_tokens
    tower.output_tokens = True
    try:
        _, states_BPF = tower(pixels_B3HW)
    finally:
        tower.output_tokens = before
    if tower.final_ln_after_pool:
        states_BPF = tower.ln_post(states_BPF)
    return project(tower.proj, states_BPF)


def _averages(tower: Any) -> bool:
    """Whether the embedding is a linear head on the mean of a map."""
    pool = getattr(getattr(tower.trunk, "global_pool", None), "pool_type", None)
    return pool == "avg" and "proj" in dict(tower.head.named_children())


def _averaged_map(tower: Any, pixels_B3HW: Tensor) -> Tensor:
    maps_BFHW = tower.trunk.forward_features(pixels_B3HW)
    return project(tower.head, maps_BFHW.flatten(2).transpose(1, 2))


def _resnet(tower: Any, pixels_B3HW: Tensor) -> Tensor:
    maps: list[Tensor] = []
    hook = tower.attnpool.register_forward_pre_hook(lambda _module, inputs: maps.append(inputs[0]))
    try:
        tower(pixels_B3HW)
    finally:
        hook.remove()
    states_BPF = maps[-1].flatten(2).transpose(1, 2) + tower.attnpool.positional_embedding[1:]
    projected: Tensor = tower.attnpool.c_proj(tower.attnpool.v_proj(states_BPF))
    return projected
