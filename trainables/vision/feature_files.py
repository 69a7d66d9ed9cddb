"""Region features in the files that people have: UNITER-style LMDB, bottom-up or LXMERT TSV, folders of npz.

Each reader yields images one by one with the position behind them, from which a later reading can go on. These files
come from strangers: nothing in them is executed. Arrays are taken from raw bytes of a declared numeric type or read
with `allow_pickle=False`, and msgpack gets no types of its own. Imports no torch.

N regions, F features.
"""

from __future__ import annotations

import base64
import io
import json
import math
import re
import zipfile
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from trainables.errors import UnreadableData

NUMERIC = re.compile(r"[<>|=]?[fiub][1248]")
"""Types of arrays that are read: floats, whole numbers, Booleans. Objects would be pickles."""
MAX_BYTES = 1 << 28
"""Greatest size of one image's array, so that a damaged header cannot ask for all memory."""
_TSV_FIELDS = {
    6: ("image_id", "image_w", "image_h", "num_boxes", "boxes", "features"),
    10: (
        *("image_id", "image_h", "image_w", "objects_id", "objects_conf", "attrs_id", "attrs_conf"),
        *("num_boxes", "boxes", "features"),
    ),
}
"""Columns of bottom-up attention's files (6) and of LXMERT's (10), which have no header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRegions:
    """The regions of one image."""

    key: str
    """What the file calls the image."""
    features: np.ndarray
    """(N, F) float16."""
    boxes: np.ndarray
    """(N, 4) float32, corners relative to the image's size, not clipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One image of a file, or why it cannot be read."""

    position: int
    """Where the next entry begins: bytes in a TSV, entries in the other formats."""
    total: int
    """The same of the whole file."""
    found: ImageRegions | str


def read_features(path: Path, start: int = 0) -> Iterator[Entry]:
    """Yield the images of a file or folder from position `start` on.

    Raises:
        UnreadableData: it is none of the known formats.
    """
    if path.is_dir() and (path / "data.mdb").is_file():
        return _lmdb(path, start)
    if path.suffix == ".tsv":
        return _tsv(path, start)
    if path.is_dir() and any(path.glob("*.npz")):
        return _npz(path, start)
    raise UnreadableData(f"{path}: expected a folder with data.mdb (LMDB), a .tsv file, or a folder of .npz files.")


def _lmdb(path: Path, start: int) -> Iterator[Entry]:
    import lmdb

    with lmdb.open(str(path), readonly=True, lock=False, create=False, readahead=False) as env, env.begin() as view:
        total = env.stat()["entries"]
        for number, (key, value) in enumerate(view.cursor()):
            if number < start or key == b"__keys__":
                continue
            name = key.decode("utf-8", errors="replace")
            yield Entry(position=number + 1, total=total, found=_parsed(name, partial(_packed, value)))


def _npz(path: Path, start: int) -> Iterator[Entry]:
    files = sorted(path.glob("*.npz"))
    for number, file in enumerate(files[start:], start=start):
        found = _parsed(file.stem, partial(_file, file))
        yield Entry(position=number + 1, total=len(files), found=found)


def _tsv(path: Path, start: int) -> Iterator[Entry]:
    total = path.stat().st_size
    with path.open("rb") as file:
        file.seek(start)
        while line := file.readline():
            fields = line.rstrip(b"\r\n").split(b"\t")
            name = fields[0].decode("utf-8", errors="replace")
            yield Entry(position=file.tell(), total=total, found=_parsed(name, partial(_row, fields)))


def _parsed(key: str, read: Callable[[], dict[str, Any]]) -> ImageRegions | str:
    try:
        return _regions(key, read())
    except (ValueError, KeyError, TypeError, IndexError, OSError, zipfile.BadZipFile) as error:
        return f"{key}: {type(error).__name__}: {error}"


def _regions(key: str, fields: dict[str, Any]) -> ImageRegions:
    """Return the regions from arrays under any of the names that are in use."""
    features = np.asarray(fields["features"] if "features" in fields else fields["x"])
    boxes: np.ndarray
    if "norm_bb" in fields:
        boxes = np.asarray(fields["norm_bb"], dtype=np.float32)[:, :4]
    else:
        pixels = np.asarray(fields["bbox"] if "bbox" in fields else fields["boxes"], dtype=np.float32)[:, :4]
        width, height = float(fields["image_w"]), float(fields["image_h"])
        if not (width > 0 and height > 0):
            raise ValueError(f"the image is {width} x {height} pixels")
        boxes = pixels / np.array([width, height, width, height], dtype=np.float32)
    if features.ndim == 2 and len(features) != len(boxes) == features.shape[1]:
        features = features.T  # some files have features x regions
    if features.ndim != 2 or len(features) != len(boxes) or not len(boxes):
        raise ValueError(f"features of shape {features.shape} for {len(boxes)} boxes")
    if not (np.isfinite(features).all() and np.isfinite(boxes).all()):
        raise ValueError("a feature or box is not a finite number")
    return ImageRegions(key=key, features=features.astype(np.float16), boxes=boxes)


def _row(fields: list[bytes]) -> dict[str, Any]:
    if len(fields) not in _TSV_FIELDS:
        raise ValueError(f"{len(fields)} columns, expected 6 (bottom-up) or 10 (LXMERT)")
    row = dict(zip(_TSV_FIELDS[len(fields)], fields, strict=True))
    count = int(row["num_boxes"])
    arrays = {
        name: np.frombuffer(base64.b64decode(row[name], validate=True), dtype="<f4").reshape(count, -1)
        for name in ("boxes", "features")
    }
    return {"image_w": float(row["image_w"]), "image_h": float(row["image_h"]), **arrays}


def _packed(value: bytes) -> dict[str, Any]:
    """Return the arrays of an LMDB value: an npz file, or msgpack with arrays in msgpack-numpy's form."""
    if value[:2] == b"PK":
        return _arrays(value)
    import msgpack

    try:
        content = msgpack.unpackb(value, raw=False, strict_map_key=True, object_hook=_unpacked, ext_hook=_refused)
    except (msgpack.UnpackException, msgpack.ExtraData) as error:
        raise ValueError(f"no msgpack: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"found {type(content).__name__}, expected an object of arrays")
    return content


def _unpacked(content: dict[Any, Any]) -> Any:
    """Return an array where msgpack-numpy put one, else the object itself."""
    plain = {key.decode() if isinstance(key, bytes) else key: value for key, value in content.items()}
    if "nd" not in plain:
        return plain
    named = plain["type"].decode() if isinstance(plain["type"], bytes) else plain["type"]
    dtype = _numeric(named)
    shape = tuple(int(size) for size in plain.get("shape", ()))
    if math.prod(shape) * dtype.itemsize != len(plain["data"]) or min(shape, default=1) < 0:
        raise ValueError(f"{len(plain['data'])} bytes for an array of shape {shape}")
    return np.frombuffer(plain["data"], dtype=dtype).reshape(shape)


def _refused(code: int, _: bytes) -> Any:
    raise ValueError(f"msgpack's extension type {code}, expected arrays")


def _numeric(named: Any) -> np.dtype[Any]:
    if not isinstance(named, str) or not NUMERIC.fullmatch(named):
        raise ValueError(f"an array of type {named!r}, expected numbers")
    return np.dtype(named)


def _file(path: Path) -> dict[str, Any]:
    return _arrays(path.read_bytes())


def _arrays(content: bytes) -> dict[str, Any]:
    """Return the arrays of an npz file; a member that is a pickle, or that would unpack to too much, is refused."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        too_large = [entry.filename for entry in archive.infolist() if entry.file_size > MAX_BYTES]
    if too_large:
        raise ValueError(f"{too_large[0]} would have more than {MAX_BYTES >> 20} MiB")
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files if name in _READ}


_READ = frozenset({"features", "x", "norm_bb", "bbox", "boxes", "image_w", "image_h"})


def read_names(path: Path | None) -> dict[str, str]:
    """Return a file's key -> image path, empty without a file. Raises `UnreadableData`."""
    if path is None:
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {str(key): str(image) for key, image in content.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise UnreadableData(f"{path}: {error}; expected an object of feature key -> image path.") from error
