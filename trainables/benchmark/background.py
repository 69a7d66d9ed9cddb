"""Backgrounds: plain or softly graded in trained palettes; patterned in palettes that training never shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Pattern = Literal["plain", "down", "across", "stripes", "dots", "checks"]

_TRAINED_PATTERNS: tuple[Pattern, ...] = ("plain", "down", "across")
_TRAINED_COLOURS = ("#f6f1e7", "#eaf2f8", "#eef7ea", "#fbeef0", "#f3eefb", "#fdf6dc", "#e9f5f4", "#f2f2f2")
_UNSEEN_PATTERNS: tuple[Pattern, ...] = ("stripes", "dots", "checks")
_UNSEEN_COLOURS = (
    ("#c8b28e", "#d9c7a8"),
    ("#9fc3b5", "#b5d3c7"),
    ("#b3a7c9", "#c4bad6"),
    ("#d8a49a", "#e4b9b1"),
    ("#a9b7c6", "#bcc8d4"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """The background behind the sprites."""

    pattern: Pattern
    colours: tuple[str, str]
    period_px: int = 0
    """Width of a stripe, distance of dots, side of a check."""


PLAIN = Background(pattern="plain", colours=("#ffffff", "#ffffff"))


def draw_background(rng: np.random.Generator, *, unseen: bool = False) -> Background:
    """Return a random background: of the trained kind, or of the kind that only `test_style` shows."""
    if unseen:
        pattern = _UNSEEN_PATTERNS[int(rng.integers(len(_UNSEEN_PATTERNS)))]
        colours = _UNSEEN_COLOURS[int(rng.integers(len(_UNSEEN_COLOURS)))]
        return Background(pattern=pattern, colours=colours, period_px=int(rng.integers(10, 29)))
    first, second = rng.choice(len(_TRAINED_COLOURS), size=2, replace=False)
    pattern = _TRAINED_PATTERNS[int(rng.integers(len(_TRAINED_PATTERNS)))]
    return Background(pattern=pattern, colours=(_TRAINED_COLOURS[int(first)], _TRAINED_COLOURS[int(second)]))
