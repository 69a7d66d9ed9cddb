"""Sizes of the student, from two CPU cores to the published base models, and where their weights lie. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Literal

from ablative.trainables.errors import MissingData

if TYPE_CHECKING:
    from ablative.trainables.config import StudentConfig


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


def starting_files(student: StudentConfig) -> dict[str, Path]:
    """Return the files that the student starts from, by their part: `init`, `vocabulary`, `trunk`.

    Raises `MissingData`, naming the setting and its remedy, where one is not there.
    """
    files = {} if student.init == "scratch" else {"init": existing_checkpoint(student.preset, student.init)}
    if student.vocabulary is not None:
        files["vocabulary"] = _existing("vocabulary", student.vocabulary)
    if student.trunk_checkpoint is not None:
        files["trunk"] = _existing("trunk_checkpoint", student.trunk_checkpoint)
    return files


def existing_checkpoint(preset: str, init: str) -> Path:
    """Return the file that `student.init` means, a path or the preset's shipped weights. Raises `MissingData`."""
    if init != "pretrained":
        return _existing("init", init)
    name = f"{PRESETS[preset].shipped_as or preset}.safetensors"
    path = Path(__file__).parent.parent / "assets" / name
    if not path.is_file():
        raise MissingData(
            f"student.init: no weights of {preset!r} come with the program; give the path of a checkpoint, or scratch"
        )
    return path


def _existing(setting: str, given: str) -> Path:
    path = Path(given).expanduser()
    if not path.is_file():
        raise MissingData(f"student.{setting}: no file at {path}; give the path of one that is there")
    return path


def sees_pictures(student: StudentConfig) -> bool:
    """Whether the student reads pixels, and not only region features from files."""
    return student.visual_input != "regions" or PRESETS[student.preset].trunk is not None
