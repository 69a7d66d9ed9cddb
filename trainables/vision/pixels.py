"""Pictures as pixels, decoded once and memory-mapped: for students that read the picture itself.

Below `<cache>/pixels/<recipe>/`: `shard-0000-<digest>/pixels.npy` (pictures, 3, 224, 224) uint8 and `pictures.json`,
the digests of their bytes, and so on. Pictures that data sets share are stored once, and a replaced one is stored
again. A picture is resized to a square without cropping, as for the bundled trunk, so boxes relative to the picture
stay right. A picture takes 150 kB.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL.Image import Resampling

from ablative.progress import Progress
from ablative.trainables.cache import folder_written_whole
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.manifest import images_of
from ablative.trainables.data.manifest import known_digests
from ablative.trainables.data.manifest import picture_digests
from ablative.trainables.data.picture_check import require_pictures
from ablative.trainables.data.pictures import DECODING_VERSION
from ablative.trainables.data.pictures import Pictures
from ablative.trainables.errors import MissingData
from ablative.trainables.strangers import parsing

PICTURE_SIZE = 224
SHARD = 500
"""Pictures per shard: 75 MB, and the most work that an interruption loses."""
PIXELS_VERSION = 2
"""Raised when code changes the pixels of a picture, or their keys."""
REMEDY = (
    "Students that read pixels need the pictures themselves, not only region features; student.visual_input=regions "
    "does without."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelRows:
    """Reads pixels by image path."""

    shards: tuple[np.ndarray, ...]
    places: dict[str, tuple[int, int]]
    """Digest of a picture -> (shard, row)."""
    digests: Mapping[str, str]
    """Image path -> digest of its picture."""

    def read(self, images: Sequence[str]) -> np.ndarray:
        """(N, 3, 224, 224) uint8 of N images. Raises MissingData."""
        rows = []
        for image in images:
            place = self.places.get(self.digests.get(image, ""))
            if place is None:
                raise MissingData(f"{image}: its pixels were not stored; its picture was not there")
            shard, row = place
            rows.append(self.shards[shard][row])
        return np.stack(rows)


def open_pixels(cache: Path, image_folder: str) -> PixelRows:
    """Open the pixels of one image folder that `build_pixels` has stored. Raises UnreadableData."""
    shards, places = [], {}
    for number, part in enumerate(_parts(pixels_folder(cache))):
        with parsing(str(part), "remove this folder; the same command then makes it again"):
            shards.append(np.load(part / "pixels.npy", mmap_mode="r"))
            for row, digest in enumerate(json.loads((part / "pictures.json").read_text(encoding="utf-8"))):
                places[digest] = (number, row)
    return PixelRows(shards=tuple(shards), places=places, digests=known_digests(image_folder, cache))


def new_pixel_images(split: TaskSplit, cache: Path, progress: Progress) -> list[str]:
    """Return the images of a split whose pictures `build_pixels` would read."""
    digests, known = picture_digests(split, cache, progress), open_pixels(cache, split.image_folder).places
    return [image for image in images_of(split) if digests.get(image) not in known]


def build_pixels(split: TaskSplit, cache: Path, progress: Progress, *, decoded: bool = False) -> None:
    """Store the missing pixels of a split's images; existing ones stay.

    Every new picture is decoded first, unless the caller has done so (`decoded`).

    Raises:
        MissingData: pictures are missing from the image folder.
        UnreadableData: pictures cannot be decoded.
    """
    folder = pixels_folder(cache)
    folder.mkdir(parents=True, exist_ok=True)
    digests = picture_digests(split, cache, progress)
    wanted = new_pixel_images(split, cache, progress)
    if not decoded or any(image not in digests for image in wanted):
        require_pictures(Path(split.image_folder), wanted, progress, remedy=REMEDY)
    new = {digests[image]: image for image in wanted}
    pictures, left = Pictures(Path(split.image_folder)), list(new)
    for start in range(0, len(left), SHARD):
        _write(folder, {digest: new[digest] for digest in left[start : start + SHARD]}, pictures)
        progress("pixels", min(start + SHARD, len(left)), len(left))


def pixels_folder(cache: Path) -> Path:
    """Return where the cache keeps pixels of this recipe."""
    recipe = json.dumps([PIXELS_VERSION, DECODING_VERSION, PICTURE_SIZE])
    return cache / "pixels" / hashlib.sha256(recipe.encode()).hexdigest()[:12]


def _parts(folder: Path) -> list[Path]:
    return sorted(part for part in folder.glob("shard-*") if part.is_dir())


def _write(folder: Path, wanted: Mapping[str, str], pictures: Pictures) -> None:
    """Write one shard of pictures (digest -> image)."""
    name = hashlib.sha256("".join(wanted).encode()).hexdigest()[:12]
    with folder_written_whole(folder / f"shard-{len(_parts(folder)):04d}-{name}") as scratch:
        np.save(scratch / "pixels.npy", np.stack([_pixels(pictures, *picture) for picture in wanted.items()]))
        (scratch / "pictures.json").write_text(json.dumps(list(wanted)), encoding="utf-8")


def _pixels(pictures: Pictures, digest: str, image: str) -> np.ndarray:
    small = pictures.picture(image, digest).resize((PICTURE_SIZE, PICTURE_SIZE), Resampling.BICUBIC)
    return np.asarray(small).transpose(2, 0, 1)
