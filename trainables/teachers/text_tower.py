"""States of single tokens from open_clip's three kinds of text tower.

Dimensions: B texts, L token positions, W tower width, D joint width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch import nn

from ablative.trainables.teachers.errors import TeacherError


def read_tokens(model: nn.Module, ids_BL: Tensor) -> tuple[Tensor, Tensor]:
    """Return sentence embeddings (B, D) and final states through the text projection (B, L', D), not normalised.

    L' <= L: positions that hold padding in every text may be missing.

    Raises:
        TeacherError: the kind of text tower is unknown here.
    """
    tower = getattr(model, "text", None)
    if tower is None:
        return _plain_clip(model, ids_BL)
    kind = type(tower).__name__
    if kind == "HFTextEncoder":
        return _hugging_face(tower, _without_padding(ids_BL, tower.config.pad_token_id))
    if kind == "TextTransformer":
        return _text_transformer(tower, ids_BL)
    raise TeacherError(
        f"teacher.model: a text tower of type {kind} gives no token states; wanted HFTextEncoder or TextTransformer"
    )


def project(projection: Any, states: Tensor) -> Tensor:
    """Apply a tower's text projection: a matrix, a layer, or none."""
    if projection is None:
        return states
    return states @ projection if isinstance(projection, Tensor) else projection(states)


def _plain_clip(model: Any, ids_BL: Tensor) -> tuple[Tensor, Tensor]:
    states: list[Tensor] = []
    hook = model.ln_final.register_forward_hook(lambda _module, _inputs, output: states.append(output))
    try:
        sentences_BD = model.encode_text(ids_BL)
    finally:
        hook.remove()
    return sentences_BD, project(model.text_projection, states[-1])


def _text_transformer(tower: Any, ids_BL: Tensor) -> tuple[Tensor, Tensor]:
    sentences_BD, states_BLW = _with_tokens(tower, ids_BL)
    if tower.cls_emb is not None:  # CoCa applied the norm to the pooled state only
        states_BLW = tower.ln_final(states_BLW)
    return sentences_BD, project(tower.text_projection, states_BLW)


def _hugging_face(tower: Any, ids_BL: Tensor) -> tuple[Tensor, Tensor]:
    sentences_BD, states_BLW = _with_tokens(tower, ids_BL)
    if states_BLW.shape[1] < ids_BL.shape[1]:  # the tower drops the class token's state; keep positions in place
        states_BLW = nn.functional.pad(states_BLW, (0, 0, 1, 0))
    return sentences_BD, project(tower.proj, states_BLW)


def _with_tokens(tower: Any, ids_BL: Tensor) -> tuple[Tensor, Tensor]:
    before = tower.output_tokens
    tower.output_tokens = True
    try:
        sentences_BD, states_BLW = tower(ids_BL)
    finally:
        tower.output_tokens = before
    return sentences_BD, states_BLW


def _without_padding(ids_BL: Tensor, padding: int) -> Tensor:
    longest = int((ids_BL != padding).long().mul(torch.arange(1, ids_BL.shape[1] + 1, device=ids_BL.device)).max())
    return ids_BL[:, : max(longest, 1)]
