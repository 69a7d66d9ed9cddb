"""Region features from a detector, converted once into memory-mapped Arrow files beside their pictures.

Below `<image folder>/regions/`: `regions-0000.arrow`, ... of `PER_SHARD` images each, and `whole.json` once every
source is converted. A file has one row per region: `features` (F float16) and `box` (7 float32: corners, width,
height, area, relative to the image). Its schema gives the first row of each image, and the place in a source where the
file ends, so that an interrupted conversion continues there. Row 0 of an image stands for the whole image: the mean of
its regions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from ablative.trainables.cache import written_whole
from ablative.trainables.data.boxes import metadata_name
from ablative.trainables.data.manifest import digest_of
from ablative.trainables.errors import UnreadableData
from ablative.trainables.strangers import parsing

FOLDER = "regions"
WHOLE = "whole.json"
PER_SHARD = 1000
_FACTS = b"ablate"
"""Key of the schema's metadata that holds a file's facts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One file of region features, memory-mapped. R rows, F features."""

    images: tuple[str, ...]
    starts: np.ndarray
    """(images + 1,) first row of each image."""
    features: np.ndarray
    """(R, F) float16."""
    boxes: np.ndarray
    """(R, 7) float32."""
    source: str
    """Name of the feature file that the last image comes from."""
    position: int
    """Position of the next entry in that source."""
    metadata: str = ""
    """Digest of the metadata files that gave the order of objects to the regions; empty if no order was needed."""
    pictures: str = ""
    """Digest of the pictures behind the features; empty if the source does not know them."""

    def is_outdated(self, metadata: Mapping[str, str]) -> bool:
        """Return whether the metadata files (name -> digest) differ from those that gave the order."""
        names = map(metadata_name, self.images)
        return self.metadata not in ("", digest_of({name: metadata[name] for name in names if name in metadata}))


def write_shard(
    folder: Path,
    number: int,
    images: Sequence[str],
    rows: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    source: str,
    position: int,
    metadata: str = "",
    pictures: str = "",
) -> None:
    """Write a file whole: `rows` are the (features, boxes) of each image, from `image_rows`."""
    starts = np.cumsum([0, *(len(features) for features, _ in rows)]).tolist()
    width = rows[0][0].shape[1] if rows else 1
    features = np.concatenate([features for features, _ in rows]) if rows else np.zeros((0, width), np.float16)
    boxes = np.concatenate([boxes for _, boxes in rows]) if rows else np.zeros((0, 7), np.float32)
    made_of = {"source": source, "position": position, "metadata": metadata}
    made_of |= {"pictures": pictures} if pictures else {}  # the bytes of a file are part of trials' identity
    facts = {"images": list(images), "starts": starts, **made_of}
    batch = pa.RecordBatch.from_arrays([_fixed(features, np.float16), _fixed(boxes, np.float32)], ["features", "box"])
    batch = batch.replace_schema_metadata({_FACTS: json.dumps(facts).encode()})
    with written_whole(shard_file(folder, number)) as scratch, pa.OSFile(str(scratch), "wb") as file:
        with pa.ipc.new_file(file, batch.schema) as writer:
            writer.write_batch(batch)


def read_shards(folder: Path) -> list[Shard]:
    """Return the contents of the existing files, in their order."""
    return [_open(path) for path in shard_files(folder)]


def shard_files(folder: Path) -> list[Path]:
    """Return the existing files in their order, up to the first gap."""
    found: list[Path] = []
    while (path := shard_file(folder, len(found))).is_file():
        found.append(path)
    return found


def converted_files(image_folder: Path) -> list[Path]:
    """Return the feature files beside the pictures; empty unless a conversion was completed."""
    folder = image_folder / FOLDER
    return shard_files(folder) if (folder / WHOLE).is_file() else []


def converted_images(image_folder: Path) -> frozenset[str]:
    """Return the images with features beside the pictures; empty unless a conversion was completed."""
    return frozenset(image for path in converted_files(image_folder) for image in _open(path).images)


def require_order(image_folder: Path, metadata: Mapping[str, str]) -> None:
    """Raise UnreadableData if converted regions have an order from other metadata files.

    `metadata`: name -> digest, of the present files.
    """
    for path in converted_files(image_folder):
        if _open(path).is_outdated(metadata):
            raise UnreadableData(
                f"{path}: its regions stand in the order of objects of metadata files that have come or changed "
                "since; convert them again: ablate data prepare --regions"
            )


def image_rows(features: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (N + 1, F) features and (N + 1, 7) boxes: the whole image, then its N regions.

    `boxes`: (N, 4) corners relative to the image.
    """
    whole = features.astype(np.float32).mean(axis=0, keepdims=True)
    corners = np.concatenate([[[0.0, 0.0, 1.0, 1.0]], boxes]).clip(0, 1)
    sizes = corners[:, 2:] - corners[:, :2]
    placed = np.concatenate([corners, sizes, sizes.prod(axis=1, keepdims=True)], axis=1)
    return np.concatenate([whole, features]).astype(np.float16), placed.astype(np.float32)


def shard_file(folder: Path, number: int) -> Path:
    """Return the file with a number."""
    return folder / f"regions-{number:04d}.arrow"


def _fixed(values: np.ndarray, dtype: type) -> pa.FixedSizeListArray:
    flat: np.ndarray = np.ascontiguousarray(values, dtype=dtype).reshape(-1)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), values.shape[1])


def _open(path: Path) -> Shard:
    with parsing(str(path), "remove the folder and convert the features again"):
        table = pa.ipc.open_file(pa.memory_map(str(path)))
        facts = json.loads(table.schema.metadata[_FACTS])
        batch = table.get_batch(0)
        batch.validate(full=True)
        features, boxes = (_mapped(batch[name]) for name in ("features", "box"))
        images, starts = tuple(map(str, facts["images"])), np.asarray(facts["starts"], dtype=np.int64)
        whole = len(starts) == len(images) + 1 and starts[0] == 0 and (np.diff(starts) > 0).all()
        if not whole or starts[-1] != len(features) or features.dtype != np.float16 or boxes.shape[1] != 7:
            raise ValueError("its images and rows do not belong together")
        return Shard(
            images=images,
            starts=starts,
            features=features,
            boxes=boxes,
            source=str(facts["source"]),
            position=int(facts["position"]),
            metadata=str(facts.get("metadata", "")),
            pictures=str(facts.get("pictures", "")),
        )


def _mapped(column: pa.FixedSizeListArray) -> np.ndarray:
    """Return the column as an array on the mapped file, without a copy."""
    flat: np.ndarray = column.flatten().to_numpy(zero_copy_only=True)
    return flat.reshape(len(column), column.type.list_size)
