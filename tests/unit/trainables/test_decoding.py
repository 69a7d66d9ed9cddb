"""Pictures of strangers: what is shown of them, what is refused, and that nothing is executed."""

from __future__ import annotations

import io
import stat
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL import ImageOps

from ablative.trainables.data.decoding import MAX_PIXELS
from ablative.trainables.data.decoding import decoded
from ablative.trainables.data.decoding import decoded_size
from ablative.trainables.data.pictures import Pictures
from ablative.trainables.errors import UnreadableData
from tests.helpers.sources import ROOMS
from tests.helpers.sources import ROOT

RNG = np.random.default_rng(5)
COLOURS = Image.fromarray(RNG.integers(0, 256, (12, 20, 3), dtype=np.uint8))


def saved(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    content = io.BytesIO()
    picture.save(content, kind, **options)
    return content.getvalue()


def pixels(content: bytes) -> list[list[int]]:
    found: list[list[int]] = np.asarray(decoded(content)).reshape(-1, 3).tolist()
    return found


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_keeps_its_shades(kind: str) -> None:
    values = np.linspace(0, 65535, 240).astype(np.uint16).reshape(12, 20)
    content = saved(Image.fromarray(values), kind)

    shown = np.asarray(decoded(content))
    np.testing.assert_array_equal(shown, np.round(values / 257)[..., None].repeat(3, axis=2))
    assert decoded_size(content) == (20, 12)


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_numbers_of_an_unknown_range_are_refused(dtype: type) -> None:
    with pytest.raises(ValueError, match="unknown range"):
        decoded_size(saved(Image.fromarray(np.zeros((2, 2), dtype=dtype)), "TIFF"))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(10))
def test_a_picture_is_turned_as_its_exif_says(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(COLOURS, kind, exif=exif)

    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB")
    np.testing.assert_array_equal(np.asarray(decoded(content)), np.asarray(expected))
    assert decoded_size(content) == expected.size == ((12, 20) if 5 <= orientation <= 8 else (20, 12))


def test_exif_that_cannot_be_read_turns_nothing() -> None:
    content = saved(COLOURS, exif=b"Exif\0\0MM\0\x2a\0\0\xff\xff\xff\xffjunk")

    assert decoded(content).size == decoded_size(content) == COLOURS.size


def test_what_is_transparent_lies_on_white() -> None:
    half = Image.new("RGBA", (2, 1), (255, 0, 0, 128))
    half.putpixel((1, 0), (9, 9, 9, 0))
    grey = Image.new("LA", (2, 1), (0, 0))
    palette = Image.new("P", (2, 1))
    palette.putpalette([0, 0, 0, 10, 20, 30])
    palette.putpixel((1, 0), 1)

    assert pixels(saved(half)) == [[255, 127, 127], [255, 255, 255]]
    assert pixels(saved(grey)) == [[255, 255, 255]] * 2
    for kind in ("PNG", "GIF"):
        assert pixels(saved(palette, kind, transparency=0)) == [[255, 255, 255], [10, 20, 30]]


def test_an_animation_shows_its_first_frame() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    for kind, options in (("GIF", {}), ("PNG", {}), ("WEBP", {"lossless": True})):
        content = saved(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert decoded(content).getpixel((1, 1)) == (255, 0, 0)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr"])
def test_plain_pictures_are_what_pillow_makes_of_them(mode: str) -> None:
    kind = "JPEG" if mode in ("CMYK", "YCbCr") else "PNG"
    content = saved(COLOURS.convert(mode), kind)

    np.testing.assert_array_equal(
        np.asarray(decoded(content)), np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    )
    assert decoded_size(content) == COLOURS.size


def test_an_opaque_alpha_channel_changes_no_pixel() -> None:
    content = saved(COLOURS.convert("RGBA"))

    np.testing.assert_array_equal(np.asarray(decoded(content)), np.asarray(COLOURS))


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_truncated_picture_is_refused_by_both_ways_to_decode(kind: str, cut: float) -> None:
    noise = Image.fromarray(RNG.integers(0, 256, (120, 160, 3), dtype=np.uint8))
    content = saved(noise, kind)
    part = content[: int(len(content) * cut)]

    for decode in (decoded, decoded_size):
        with pytest.raises((OSError, ValueError, SyntaxError)):
            decode(part)


def test_a_few_bytes_cannot_claim_all_memory(tmp_path: Path) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    for side in (9_500, 60_000):
        assert side * side > MAX_PIXELS
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        image = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b""))
        (tmp_path / "a.png").write_bytes(image)
        with pytest.raises(UnreadableData, match=r"a\.png: not a picture that can be decoded: .*pixels"):
            Pictures(tmp_path).picture("a.png")


@pytest.mark.parametrize("wrapper", [b"", b"\xc5\xd0\xd3\xc6" + struct.pack("<II", 32, 200) + b"\0" * 20])
def test_postscript_under_the_name_of_a_picture_starts_no_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrapper: bytes
) -> None:
    program, left = tmp_path / "gs", tmp_path / "gs-was-started"
    program.write_text(f"#!/bin/sh\n: > {left}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\nshowpage\n%%EOF\n"
    (tmp_path / "a.jpg").write_bytes(wrapper + script + b" " * 200)

    for read in (Pictures(tmp_path).picture, Pictures(tmp_path).size):
        with pytest.raises(UnreadableData, match=r"a\.jpg: not a picture that can be decoded.*none of JPEG"):
            read("a.jpg")
    assert not left.exists()


def test_pictures_are_opened_in_one_place_only() -> None:
    files = [path for room in (*ROOMS, "benchmarks") for path in (ROOT / room).rglob("*.py")]
    openers = [path.relative_to(ROOT).as_posix() for path in files if "Image.open" in path.read_text(encoding="utf-8")]

    assert openers == ["trainables/data/decoding.py"]
