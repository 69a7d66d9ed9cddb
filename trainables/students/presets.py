"""Sizes of the student, from two CPU cores to the published base models, and where their weights lie. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Literal

if TYPE_CHECKING:
    from trainables.config import StudentConfig


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
    trunk: Literal["bundled", "open_clip"] | None = None
    """Visual trunk that is part of the student and trained with it (CLIP-ViL); None: it reads region features."""
    shipped_as: str = ""
    """Preset whose shipped transformer fits this one too; empty: its own."""


_TINY = StudentPreset(num_layers=4, width=128, num_heads=4, hidden=512, frozen_words=True, max_tokens=64)
_SMALL = StudentPreset(num_layers=6, width=384, num_heads=6, hidden=1536, frozen_words=True, max_tokens=220)
_BASE = StudentPreset(num_layers=12, width=768, num_heads=12, hidden=3072, frozen_words=False, max_tokens=220)
_LARGE = StudentPreset(num_layers=24, width=1024, num_heads=16, hidden=4096, frozen_words=False, max_tokens=220)

PRESETS: dict[str, StudentPreset] = {
    "uniter_tiny": _TINY,
    "uniter_small": _SMALL,
    "uniter_base": _BASE,
    "uniter_large": _LARGE,
    "clip_vil_tiny": replace(_TINY, trunk="bundled", shipped_as="uniter_tiny"),
    "clip_vil_base": replace(_BASE, trunk="open_clip"),
}


def checkpoint_path(preset: str, init: str) -> Path:
    """The file that `student.init` means: the shipped weights of the preset, or a path."""
    if init == "pretrained":
        return Path(__file__).parent.parent / "assets" / f"{PRESETS[preset].shipped_as or preset}.safetensors"
    return Path(init).expanduser()


def sees_pictures(student: StudentConfig) -> bool:
    """Whether the student reads pixels, and not only region features from files."""
    return student.visual_input != "regions" or PRESETS[student.preset].trunk is not None
