"""Draw a scene graph, or one sprite."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ablative.trainables.benchmark.background import PLAIN
from ablative.trainables.benchmark.background import Background
from ablative.trainables.benchmark.sprites import sprite

if TYPE_CHECKING:
    from PIL.Image import Image

    from ablative.trainables.benchmark.concepts import Concept
    from ablative.trainables.benchmark.emoji import Emoji
    from ablative.trainables.benchmark.scene import Scene
    from ablative.trainables.benchmark.scene import Style

_JPEG_QUALITY = 90


def render(scene: Scene, style: Style | None = None) -> Image:
    """Return the picture of `scene`, RGB; `style` replaces the scene's own."""
    picture = paint(scene.background, scene.picture_px)
    for thing in scene.things:
        x1, y1, x2, _ = thing.box
        art = sprite(thing.concept.code, style or scene.style, x2 - x1)
        picture.paste(art, (x1, y1), art)
    return picture


def sprite_picture(
    shown: Concept | Emoji | str,
    style: Style = "colour",
    background: Background = PLAIN,
    size_px: int = 224,
    *,
    share: float = 0.8,
    offset: tuple[float, float] = (0.5, 0.5),
) -> Image:
    """Return an RGB picture of one sprite.

    `shown` is a concept, an emoji or its code; the sprite's side is `share` of the picture's, and `offset` says
    where in the remaining room it stands, each coordinate in [0, 1].
    """
    code = shown if isinstance(shown, str) else shown.code
    picture = paint(background, size_px)
    art = sprite(code, style, int(np.clip(round(size_px * share), 8, size_px)))
    place = (round((size_px - art.width) * offset[0]), round((size_px - art.height) * offset[1]))
    picture.paste(art, place, art)
    return picture


def jpeg(picture: Image) -> bytes:
    """Return `picture` as a JPEG file's bytes; the same picture gives the same bytes."""
    file = io.BytesIO()
    picture.save(file, format="JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return file.getvalue()


def paint(background: Background, size_px: int) -> Image:
    """Return a new square RGB picture of `background` alone."""
    return _painted(background, size_px).copy()


@lru_cache(maxsize=512)
def _painted(background: Background, size_px: int) -> Image:
    from PIL import Image
    from PIL import ImageColor

    first, second = (np.array(ImageColor.getrgb(colour), dtype=np.float32) for colour in background.colours)
    share = _share_of_second(background, size_px)[..., None]
    pixels = first * (1 - share) + second * share
    return Image.fromarray(np.rint(pixels).astype(np.uint8), "RGB")


def _share_of_second(background: Background, size_px: int) -> np.ndarray:
    """Return how much of the second colour each pixel has: (H, W) in [0, 1]."""
    y, x = np.mgrid[0:size_px, 0:size_px].astype(np.float32)
    period = max(background.period_px, 1)
    match background.pattern:
        case "plain":
            return np.zeros((size_px, size_px), dtype=np.float32)
        case "down":
            return y / size_px
        case "across":
            return x / size_px
        case "stripes":
            return np.asarray((x + y) // period % 2, dtype=np.float32)
        case "checks":
            return np.asarray((x // period + y // period) % 2, dtype=np.float32)
        case "dots":
            near = (x % period - period / 2) ** 2 + (y % period - period / 2) ** 2
            return np.asarray(near < (period / 3) ** 2, dtype=np.float32)
