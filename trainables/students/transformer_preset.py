"""Sizes of the single-stream transformer. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ablative.trainables.parts.student import Preset


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformerPreset(Preset):
    """Shape of a single-stream transformer (UNITER, arXiv 1909.11740)."""

    num_layers: int
    width: int
    num_heads: int
    hidden: int
    """Width of the feed-forward layer."""
    frozen_words: bool
    """Word vectors are MiniLM's, frozen and projected (small students), or learned at full width."""
    trunk: Literal["bundled", "open_clip"] | None = None
    """Visual trunk that is part of the student and trained with it (CLIP-ViL); None: it reads region features."""
    shipped_as: str = ""
    """Preset whose shipped transformer also fits this one; empty: its own."""
