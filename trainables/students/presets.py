"""Sizes of the student, from two CPU cores to the published base models, and where their weights lie. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentPreset:
    """Shape of a single-stream transformer (UNITER, arXiv 1909.11740)."""

    num_layers: int
    width: int
    num_heads: int
    hidden: int
    """Width of the feed-forward layer."""
    frozen_words: bool
    """Word vectors are MiniLM's, frozen and projected (small students), or learned at full width."""
    max_tokens: int
    """Longest text, in WordPiece tokens with [CLS] and [SEP] (UNITER: 60 SNLI-VE and VQA, 220 VCR)."""


PRESETS: dict[str, StudentPreset] = {
    "uniter_tiny": StudentPreset(num_layers=4, width=128, num_heads=4, hidden=512, frozen_words=True, max_tokens=64),
    "uniter_small": StudentPreset(
        num_layers=6, width=384, num_heads=6, hidden=1536, frozen_words=True, max_tokens=220
    ),
    "uniter_base": StudentPreset(
        num_layers=12, width=768, num_heads=12, hidden=3072, frozen_words=False, max_tokens=220
    ),
}


def checkpoint_path(preset: str, init: str) -> Path:
    """The file that `student.init` means: the shipped weights of the preset, or a path."""
    if init == "pretrained":
        return Path(__file__).parent.parent / "assets" / f"{preset}.safetensors"
    return Path(init).expanduser()
