"""Region features in common file formats: UNITER-style LMDB, bottom-up or LXMERT TSV, folders of npz.

Each reader yields images one by one with the position after them, from which a later reading can continue. These files
come from strangers, so nothing in them is executed. Arrays are taken from raw bytes of a declared numeric type or read
with `allow_pickle=False`, and msgpack gets no types of its own. Imports no torch.

N regions, F features.
"""

from __future__ import annotations

import base64
import io
import math
import re
import zipfile
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO
from typing import Any
from typing import BinaryIO

import numpy as np

from ablative.trainables.data.json_text import read_json
from ablative.trainables.data.names import picture_name
from ablative.trainables.errors import MissingData
from ablative.trainables.errors import UnreadableData
from ablative.trainables.file_digests import stamp_of
from ablative.trainables.strangers import parsing
from ablative.trainables.strangers import printable
from ablative.trainables.strangers import said
from ablative.trainables.vision.lmdb_file import LmdbFile

NUMERIC = re.compile(r"[<>|=]?[fiub][1248]")
"""Array types that are read: floats, whole numbers, Booleans. Objects would be pickles."""
MAX_BYTES = 1 << 26
"""Most bytes of one image's array, or of a TSV's line."""
MAX_NAME = 500
"""Most bytes of an image's name."""
_MOST_ITEMS = 1 << 14
"""Most items of a list or object in msgpack."""
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
    """The file's name for the image."""
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
    """The same for the whole file."""
    found: ImageRegions | str


@dataclass(frozen=True, slots=True)
class FeatureFile:
    """A source of region features (`trainables.vision.conversion.Source`): a file or folder that somebody made."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def version(self) -> str:
        stat = (self.path / "data.mdb" if (self.path / "data.mdb").is_file() else self.path).stat()
        return str(stat.st_size if not self.path.is_dir() else 0)

    @property
    def place(self) -> str:
        return str(self.path.absolute())

    def stamp(self) -> list[int]:
        """Return sizes and latest times of its files."""
        files = [self.path / "data.mdb", *self.path.glob("*.npz")] if self.path.is_dir() else [self.path]
        stamps = [stamp_of(path.stat()) for path in files if path.is_file()] or [(0, 0, 0)]
        sizes, modified, changed = zip(*stamps, strict=True)
        return [sum(sizes), max(modified), max(changed)]

    def pictures_of(self, images: Sequence[str]) -> str:
        """Return nothing: a file does not say which pictures its features come from."""
        return ""

    def entries(self, start: int, done: Collection[str]) -> Iterator[Entry]:
        """Yield its images from position `start` on, `done` or not. Raises `UnreadableData`."""
        return read_features(self.path, start)


def feature_files(paths: Sequence[Path]) -> list[FeatureFile]:
    """Return the sources at these paths. Raises `MissingData` if one is missing."""
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise MissingData(f"region features: {', '.join(missing)} is not there")
    return [FeatureFile(path) for path in paths]


def read_features(path: Path, start: int = 0) -> Iterator[Entry]:
    """Yield the images of a file or folder from position `start` on.

    Raises:
        UnreadableData: the format is unknown.
    """
    if path.is_dir() and (path / "data.mdb").is_file():
        return _lmdb(path, start)
    if path.suffix == ".tsv":
        return _tsv(path, start)
    if path.is_dir() and any(path.glob("*.npz")):
        return _npz(path, start)
    raise UnreadableData(f"{path}: expected a folder with data.mdb (LMDB), a .tsv file, or a folder of .npz files.")


def _lmdb(path: Path, start: int) -> Iterator[Entry]:
    file = path / "data.mdb"
    with parsing(f"{file}: no whole LMDB", "get the file again"), LmdbFile(file) as entries:
        for number, (key, value) in enumerate(entries.items(start), start=start + 1):
            if key != b"__keys__":
                name = key.decode("utf-8", errors="replace")
                yield Entry(position=number, total=len(entries), found=_parsed(name, partial(_packed, value)))


def _npz(path: Path, start: int) -> Iterator[Entry]:
    files = sorted(path.glob("*.npz"))
    for number, file in enumerate(files[start:], start=start):
        found = _parsed(file.stem, partial(_arrays, file))
        yield Entry(position=number + 1, total=len(files), found=found)


def _tsv(path: Path, start: int) -> Iterator[Entry]:
    total = path.stat().st_size
    with path.open("rb") as file:
        file.seek(start)
        while line := file.readline(MAX_BYTES):
            whole = len(line) < MAX_BYTES or line.endswith(b"\n")
            while not whole and (more := file.readline(MAX_BYTES)):
                line, whole = line[:MAX_NAME], more.endswith(b"\n")
            fields = line.rstrip(b"\r\n").split(b"\t")
            name = fields[0][:MAX_NAME].decode("utf-8", errors="replace")
            yield Entry(position=file.tell(), total=total, found=_parsed(name, partial(_row, fields)))


def _parsed(key: str, read: Callable[[], dict[str, Any]]) -> ImageRegions | str:
    try:
        return _regions(key, read())
    except Exception as error:  # parsers raise anything for a stranger's bytes; leave the image out
        return f"{printable(key)}: {said(error)}"


def _regions(key: str, fields: dict[str, Any]) -> ImageRegions:
    """Return the regions from arrays under any of the names in use."""
    features = _numbers(fields["features"] if "features" in fields else fields["x"])
    if "norm_bb" in fields:
        boxes = _corners(fields["norm_bb"])
    else:
        width, height = float(fields["image_w"]), float(fields["image_h"])
        if not (0 < width < math.inf and 0 < height < math.inf):
            raise ValueError(f"the image is {width} x {height} pixels")
        pixels = _corners(fields["bbox"] if "bbox" in fields else fields["boxes"])
        boxes = pixels / np.array([width, height, width, height], dtype=np.float32)
    if features.ndim == 2 and len(features) != len(boxes) == features.shape[1]:
        features = features.T  # some files have features x regions
    if features.ndim != 2 or len(features) != len(boxes) or not features.size:
        raise ValueError(f"features of shape {features.shape} for {len(boxes)} boxes")
    if not np.isfinite(boxes).all():
        raise ValueError("a box is not a finite number")
    return ImageRegions(key=key, features=as_halves(features), boxes=boxes)


def as_halves(features: np.ndarray) -> np.ndarray:
    """Return features as float16. Raises ValueError if a number does not fit."""
    with np.errstate(over="ignore"):
        halves = features.astype(np.float16)
    if not np.isfinite(halves).all():
        raise ValueError("a feature is no finite number of 16 bits, at most 65,504")
    return halves


def _numbers(values: Any) -> np.ndarray:
    found = np.asarray(values)
    _numeric(found.dtype.str)
    return found


def _corners(values: Any) -> np.ndarray:
    """Return the first four columns as (N, 4) float32."""
    found = _numbers(values)
    if found.ndim != 2 or found.shape[1] < 4:
        raise ValueError(f"boxes of shape {found.shape}, expected four corners each")
    with np.errstate(over="ignore"):
        return found[:, :4].astype(np.float32)


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
        return _arrays(io.BytesIO(value))
    import msgpack

    content = msgpack.unpackb(
        value,
        raw=False,
        strict_map_key=True,
        object_hook=_unpacked,
        ext_hook=_refused,
        max_array_len=_MOST_ITEMS,  # msgpack would allocate a list as long as it claims to be
        max_map_len=_MOST_ITEMS,
    )
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


def _arrays(file: Path | BinaryIO) -> dict[str, Any]:
    """Return the arrays of an npz file."""
    with zipfile.ZipFile(file) as archive:
        found = {}
        for entry in archive.infolist():
            name = entry.filename.removesuffix(".npy")
            if name in _READ:
                with archive.open(entry) as member:
                    found[name] = _array(member, entry.file_size)
        return found


def _array(file: IO[bytes], size: int) -> np.ndarray:
    """Return the array of an .npy file. Checks its header's claims against its `size` before allocating."""
    if size > MAX_BYTES:
        raise ValueError(f"an array of {size:,} bytes, at most {MAX_BYTES:,} are read")
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"an array of format version {version}, expected (1, 0)")
    shape, by_column, dtype = np.lib.format.read_array_header_1_0(file)
    _numeric(dtype.str)
    wanted = math.prod(shape) * dtype.itemsize
    if wanted != size - file.tell():
        raise ValueError(f"{size - file.tell():,} bytes for an array of shape {shape}")
    values = np.frombuffer(file.read(wanted), dtype=dtype)
    return values.reshape(shape, order="F" if by_column else "C")


_READ = frozenset({"features", "x", "norm_bb", "bbox", "boxes", "image_w", "image_h"})


def read_names(path: Path | None) -> dict[str, str]:
    """Return a file's mapping from key to image path, empty without a file. Raises `UnreadableData`."""
    if path is None:
        return {}
    return read_json(path, "an object of feature key -> image path", _checked_names)


def _checked_names(content: dict[str, Any]) -> dict[str, str]:
    return {key: picture_name(image) for key, image in content.items()}
