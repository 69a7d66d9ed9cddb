"""From a picture's bytes to RGB pixels: the only place that opens a picture.

Pictures come from strangers. Only the formats that data sets use are ever opened: Pillow would start Ghostscript on
PostScript, whatever the file's name. The pixels are those that a browser shows, because annotators saw those:

- turned by the EXIF orientation, so boxes refer to the turned picture;
- transparent parts on white;
- 16-bit grey scaled to 8 bits; whole numbers and floats of an unknown range are rejected;
- the first frame of an animation.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image
from PIL import UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""The formats that are opened, by Pillow's names; PNG and JPEG include their animated and multi-picture forms."""
MAX_PIXELS = 89_478_485
"""Most pixels of a picture, 256 MiB in RGB, because a few bytes can claim any number. Pillow warns from here on."""
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> operation that turns the picture upright; 1 is upright, and other values mean nothing."""
_PLAIN = frozenset({"1", "L", "P", "RGB", "CMYK", "YCbCr"})

logging.getLogger("PIL").addHandler(logging.NullHandler())  # the errors say what matters


def decoded(content: bytes) -> Image.Image:
    """Return a picture in RGB. Raises the errors of Pillow for damaged bytes; `Pictures` names the file."""
    with _opened(content) as picture:
        return _shown(picture)


def with_alpha(content: bytes) -> Image.Image:
    """Return a picture in RGBA, as it is stored. Raises as `decoded`."""
    with _opened(content) as picture:
        return picture.convert("RGBA")


def decoded_size(content: bytes) -> tuple[int, int]:
    """Return width and height of a picture, decoding all of it. Raises as `decoded`, in less time.

    A plain JPEG is decoded at an eighth of its size: its whole stream is read, and most of the arithmetic is saved.
    """
    with _opened(content) as picture:
        if picture.format != "JPEG" or not _is_plain(picture):
            return _shown(picture).size
        size = picture.size
        picture.draft(None, (1, 1))
        picture.load()
        return size


@contextmanager
def _opened(content: bytes) -> Iterator[Image.Image]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about damaged EXIF and the like; errors say what matters
        try:
            opened = Image.open(io.BytesIO(content), formats=FORMATS)
        except UnidentifiedImageError as error:  # Pillow's own message names an address in memory
            raise ValueError(f"begins with {content[:16]!r}, none of {', '.join(FORMATS)}") from error
        with opened as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise ValueError(f"{picture.width} x {picture.height} pixels, but at most {MAX_PIXELS:,} are read")
            yield picture


def _is_plain(picture: Image.Image) -> bool:
    """Return whether a picture is 8 bits a channel, opaque and upright, according to its header."""
    return picture.mode in _PLAIN and not picture.has_transparency_data and _orientation(picture) not in _TURNS


def _orientation(picture: Image.Image) -> int | None:
    try:
        found = picture.getexif().get(_ORIENTATION)
    except Exception:  # strangers' bytes: unreadable EXIF turns nothing, in browsers neither
        return None
    return found if isinstance(found, int) else None


def _shown(picture: Image.Image) -> Image.Image:
    picture.load()  # first: a TIFF turns itself on loading, and a PNG may have its EXIF after its pixels
    flat = _opaque(picture)
    turn = _TURNS.get(_orientation(picture) or 1)
    return flat if turn is None else flat.transpose(turn)


def _opaque(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format == "PNG"):
        values = np.asarray(picture).astype(np.uint32)
        return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8)).convert("RGB")
    if picture.mode in ("I", "F"):
        raise ValueError(f"numbers of an unknown range (mode {picture.mode}); save it with 8 or 16 bits a channel")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    whole = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", whole.size, "white"), whole).convert("RGB")
