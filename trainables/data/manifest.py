"""The manifest of an image folder: the pictures and metadata that trials read, each with the digest of its bytes.

`<cache>/manifests/<folder>.arrow` has one row a file: `name`, `size`, `modified` and `changed` (ns; those of the tar
shard or Parquet file where it lies in one) and `digest` (SHA-256). A look lists folders and reads only the files whose
size or times differ from the manifest. So the first look takes as long as reading the bytes, and a later one takes
seconds for a million pictures. Files that no annotation names are ignored. Imports no torch.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections import defaultdict
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
from filelock import FileLock

from ablative.progress import Progress
from ablative.trainables.cache import place_key
from ablative.trainables.data.boxes import metadata_name
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.picture_tables import Cell
from ablative.trainables.data.picture_tables import content_of
from ablative.trainables.data.pictures import Member
from ablative.trainables.data.pictures import Pictures
from ablative.trainables.data.tables import read_table
from ablative.trainables.data.tables import write_table
from ablative.trainables.file_digests import Stamp
from ablative.trainables.file_digests import settled
from ablative.trainables.file_digests import stamp_of

FOLDER = "manifests"
STAGE = "digests of pictures"
_SCHEMA = pa.schema(
    {
        "name": pa.string(),
        "size": pa.int64(),
        "modified": pa.int64(),
        "changed": pa.int64(),
        "digest": pa.binary(hashlib.sha256().digest_size),
    }
)
_CHUNK = 64
"""Files that a thread reads before it gets more."""
_PATIENCE_S = 1.0
"""Shorter work needs no progress line."""
_THREADS = min(32, 4 * (os.cpu_count() or 1))
"""More than cores: on a network disk a read is mostly waiting."""

Place = Member | Cell
"""Place of a file that is not loose."""
_Row = tuple[Stamp, str]
"""The manifest's facts about a file: its stamp, and its digest in hexadecimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Name -> SHA-256 of those wanted files that exist."""

    pictures: Mapping[str, str]
    metadata: Mapping[str, str]


def look(
    image_folder: Path, images: Iterable[str], cache: Path, progress: Progress, *, pictures: bool = True
) -> Manifest:
    """Return the manifest of these images and of the metadata files beside them, after updating it.

    `pictures`: whether to look at the pictures themselves. Safe to call from several processes at once.
    """
    folder = image_folder.resolve()
    names = dict.fromkeys(images)
    now = time.time_ns()
    known = _read(manifest_file(folder, cache))
    found, places = _found(folder, names, pictures)
    digests = {name: known[name][1] for name, stamp in found.items() if name in known and known[name][0] == stamp}
    stale = [name for name in found if name not in digests]
    if stale:
        digests |= _digested(folder, {name: places.get(name) for name in stale}, progress)
    gone = known.keys() - found.keys()
    if gone:
        gone &= {*(names if pictures else ()), *map(metadata_name, names)}
    if stale or gone:
        _update(manifest_file(folder, cache), {n: (settled(found[n], now), digests[n]) for n in stale}, gone)
    return Manifest(
        pictures={name: digest for name, digest in digests.items() if name in names},
        metadata={name: digest for name, digest in digests.items() if name not in names},
    )


def picture_digests(split: TaskSplit, cache: Path, progress: Progress) -> dict[str, str]:
    """Return image -> SHA-256 of those of a split's pictures that exist."""
    found = look(Path(split.image_folder), images_of(split), cache, progress).pictures
    return {image: found[image] for image in images_of(split) if image in found}


def images_of(split: TaskSplit) -> list[str]:
    """Return the distinct images of a split, in the order of its examples."""
    return list(dict.fromkeys(example.image for example in split.examples))


def known_digests(image_folder: str, cache: Path) -> Mapping[str, str]:
    """Return name -> SHA-256 from the last looks, without looking at any file; empty before the first."""
    path = manifest_file(Path(image_folder).resolve(), cache)
    return _known(path, stamp_of(path.stat())) if path.is_file() else {}


def digest_of(files: Mapping[str, str]) -> str:
    """Return one SHA-256 over names and digests, in any order."""
    rows = "".join(f"{files[name]} {name}\0" for name in sorted(files))
    return hashlib.sha256(rows.encode("utf-8", "surrogatepass")).hexdigest()


@lru_cache(maxsize=4)
def _known(path: Path, _: Stamp) -> Mapping[str, str]:
    return {name: digest for name, (_, digest) in _read(path).items()}


def manifest_file(folder: Path, cache: Path) -> Path:
    """Return the cache's file for the manifest of an image folder."""
    return cache / FOLDER / f"{hashlib.sha256(place_key(folder, cache).encode()).hexdigest()[:16]}.arrow"


def _found(folder: Path, images: Collection[str], pictures: bool) -> tuple[dict[str, Stamp], dict[str, Place]]:
    """Return the stamps of the pictures and of the metadata beside them, and the places of packed ones."""
    files, shards = Pictures(folder), dict[Path, Stamp]()
    by_parent: dict[str, set[str]] = defaultdict(set)
    for image in images:
        parent, _, name = image.rpartition("/")
        by_parent[parent].add(name)
    found: dict[str, Stamp] = {}
    places: dict[str, Place] = {}
    for parent, wanted in by_parent.items():
        prefix = f"{parent}/" if parent else ""
        loose, packed = _listed(folder / parent, wanted)
        if not pictures:
            loose = {name: stamp for name, stamp in loose.items() if name not in wanted}
        if packed or files.packed or files.tabled(parent):
            for name in [*(wanted if pictures else ()), *map(metadata_name, wanted)]:
                place = files.place(prefix + name, loose=name in loose)
                if place is not None:
                    if place.shard not in shards:
                        shards[place.shard] = stamp_of(place.shard.stat())
                    places[prefix + name] = place
                    loose[name] = shards[place.shard]
        found |= {prefix + name: stamp for name, stamp in loose.items()}
    return found, places


def _listed(folder: Path, wanted: Collection[str]) -> tuple[dict[str, Stamp], bool]:
    """Return the stamps of a folder's wanted files and of the metadata beside them, and whether it has shards."""
    try:
        with os.scandir(folder) as listing:
            entries = {entry.name: entry for entry in listing}
    except (FileNotFoundError, NotADirectoryError):
        return {}, False
    names = entries.keys() & wanted
    if any(name.endswith(".json") for name in entries):
        names |= entries.keys() & set(map(metadata_name, wanted))
    found: dict[str, Stamp] = {}
    for name in names:
        try:
            status = entries[name].stat()
        except FileNotFoundError:  # a dangling link
            continue
        if stat.S_ISREG(status.st_mode):
            found[name] = stamp_of(status)
    return found, any(name.endswith(".tar") for name in entries)


def _digested(folder: Path, files: Mapping[str, Place | None], progress: Progress) -> dict[str, str]:
    """Return the digests of files, read by several threads: hashing and waiting for a disk release Python's lock.

    Pictures in Parquet come in order, so each row group is read once. Raises `UnreadableData`.
    """
    cells = {name: place for name, place in files.items() if isinstance(place, Cell)}
    loose = {name: place for name, place in files.items() if not isinstance(place, Cell)}
    order = sorted(loose, key=lambda name: (str(m.shard), m.start) if (m := loose[name]) else ("", 0))
    chunks = [order[start : start + _CHUNK] for start in range(0, len(order), _CHUNK)]
    digests: dict[str, str] = {}
    started = time.monotonic()
    with ThreadPoolExecutor(_THREADS) as threads:
        for part in threads.map(lambda chunk: [(name, _digest(folder, name, loose[name])) for name in chunk], chunks):
            digests.update(part)
            if time.monotonic() - started > _PATIENCE_S:
                progress(STAGE, len(digests), len(files))
    for name in sorted(cells, key=lambda name: (str(cells[name].shard), cells[name].rows)):
        digests[name] = hashlib.sha256(content_of(cells[name])).hexdigest()
        if time.monotonic() - started > _PATIENCE_S and (len(digests) % _CHUNK == 0 or len(digests) == len(files)):
            progress(STAGE, len(digests), len(files))
    return digests


def _digest(folder: Path, name: str, member: Member | None) -> str:
    with open(member.shard if member else f"{folder}/{name}", "rb", buffering=0) as file:
        if member is None:
            return hashlib.sha256(file.read()).hexdigest()
        file.seek(member.start)
        return hashlib.sha256(file.read(member.size)).hexdigest()


def _read(path: Path) -> dict[str, _Row]:
    """Return the rows of a manifest; none if it is damaged, so that the files are read again."""
    table = read_table(path, _SCHEMA)
    if table is None:
        return {}
    names, sizes, modified, changed, digests = (table[name].to_pylist() for name in _SCHEMA.names)
    stamps = zip(sizes, modified, changed, strict=True)
    return dict(zip(names, zip(stamps, (digest.hex() for digest in digests), strict=True), strict=True))


def _update(path: Path, rows: dict[str, _Row], gone: Iterable[str]) -> None:
    """Put rows into the manifest on disk, which another process may have changed meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        merged = _read(path) | rows
        for name in gone:
            merged.pop(name, None)
        stamps = zip(*(stamp for stamp, _ in merged.values()), strict=True) if merged else ((), (), ())
        columns = [list(merged), *map(list, stamps), [bytes.fromhex(digest) for _, digest in merged.values()]]
        arrays = [pa.array(column, field.type) for column, field in zip(columns, _SCHEMA, strict=True)]
        write_table(path, pa.table(arrays, schema=_SCHEMA))
