"""Pictures as pixels, decoded once and memory-mapped: for students that read the picture itself.

Below `<cache>/pixels/<digest>/<image folder>/`: `shard-0000/pixels.npy` (images, 3, 224, 224) uint8 and
`shard-0000/images.json`, their paths, and so on. A picture is resized to a square without cropping, as the bundled
trunk's are, so that boxes relative to the picture stay right. 150 kB a picture.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL.Image import Resampling

from trainables.data.examples import TaskSplit
from trainables.data.picture_check import require_pictures
from trainables.data.pictures import Pictures
from trainables.errors import MissingData

PICTURE_SIZE = 224
SHARD = 500
"""Pictures a shard: 75 MB, and what an interruption may cost."""
PIXELS_VERSION = 2
"""Raised when code changes the pixels of a picture; with DECODING_VERSION, that of a picture that is not plain."""
_REMEDY = (
    "Students that read pixels need the pictures themselves, not only region features; student.visual_input=regions "
    "does without."
)

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelRows:
    """Reads pixels by image path."""

    shards: tuple[np.ndarray, ...]
    places: dict[str, tuple[int, int]]
    """Image path -> (shard, row)."""

    def read(self, images: Sequence[str]) -> np.ndarray:
        """(N, 3, 224, 224) uint8 of N images. Raises MissingData."""
        rows = []
        for image in images:
            if image not in self.places:
                raise MissingData(f"{image}: its pixels were not stored; its picture was not there")
            shard, row = self.places[image]
            rows.append(self.shards[shard][row])
        return np.stack(rows)


def open_pixels(cache: Path, image_folder: str) -> PixelRows:
    """Open the pixels of one image folder, as far as `build_pixels` has stored them."""
    shards, places = [], {}
    for number, part in enumerate(_parts(_folder(cache, image_folder))):
        shards.append(np.load(part / "pixels.npy", mmap_mode="r"))
        for row, image in enumerate(json.loads((part / "images.json").read_text(encoding="utf-8"))):
            places[image] = (number, row)
    return PixelRows(shards=tuple(shards), places=places)


def build_pixels(split: TaskSplit, cache: Path, progress: Progress) -> None:
    """Store what is missing of the pixels of a split's images; what exists is left alone.

    Raises:
        MissingData: pictures are not in the image folder.
        UnreadableData: pictures cannot be decoded.
    """
    folder = _folder(cache, split.image_folder)
    folder.mkdir(parents=True, exist_ok=True)
    known = open_pixels(cache, split.image_folder).places
    wanted = [image for image in dict.fromkeys(example.image for example in split.examples) if image not in known]
    pictures = Pictures(Path(split.image_folder))
    require_pictures(pictures.folder, wanted, progress, remedy=_REMEDY)
    for start in range(0, len(wanted), SHARD):
        _write(folder, wanted[start : start + SHARD], pictures)
        progress("pixels", min(start + SHARD, len(wanted)), len(wanted))


def _folder(cache: Path, image_folder: str) -> Path:
    recipe = json.dumps([PIXELS_VERSION, PICTURE_SIZE])
    name = hashlib.sha256(image_folder.encode()).hexdigest()[:12]
    return cache / "pixels" / hashlib.sha256(recipe.encode()).hexdigest()[:12] / name


def _parts(folder: Path) -> list[Path]:
    return sorted(part for part in folder.glob("shard-*") if part.is_dir())


def _write(folder: Path, images: Sequence[str], pictures: Pictures) -> None:
    """Write one shard whole: into a scratch folder first, then renamed."""
    scratch = Path(tempfile.mkdtemp(dir=folder, prefix="building-"))
    try:
        np.save(scratch / "pixels.npy", np.stack([_pixels(pictures, image) for image in images]))
        (scratch / "images.json").write_text(json.dumps(list(images)), encoding="utf-8")
        os.rename(scratch, folder / f"shard-{len(_parts(folder)):04d}")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _pixels(pictures: Pictures, image: str) -> np.ndarray:
    picture = pictures.picture(image)
    return np.asarray(picture.resize((PICTURE_SIZE, PICTURE_SIZE), Resampling.BICUBIC)).transpose(2, 0, 1)
