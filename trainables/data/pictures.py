"""The files of an image folder: loose, in tar shards (WebDataset's naming) or in Parquet. Nothing is ever unpacked.

A shard is an uncompressed `.tar` directly in the image folder, or in the folder below it that the loose file would be
in. Its members are named like the loose files. A member packed without its folders is found by its last name, if no
other member shares it. A Parquet file with pictures inside stands for a folder (`trainables.data.picture_tables`), and
its pictures come before all others.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from typing import TypeVar

from ablative.trainables.data.names import METADATA
from ablative.trainables.data.picture_tables import Cell
from ablative.trainables.data.picture_tables import content_of
from ablative.trainables.data.picture_tables import pictures_inside
from ablative.trainables.errors import MissingData
from ablative.trainables.errors import UnreadableData
from ablative.trainables.file_digests import Stamp
from ablative.trainables.file_digests import stamp_of
from ablative.trainables.strangers import parsing

if TYPE_CHECKING:
    from PIL.Image import Image


Made = TypeVar("Made")

DECODING_VERSION = 2
"""Raised when the same picture gives other pixels: every picture of a real data set is then computed again.

The names of teachers' features do not contain it: raise `FEATURES_VERSION` in `trainables.teachers.digest` with it.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Place of a file in a tar shard."""

    shard: Path
    start: int
    size: int


class Pictures:
    """Reads files of one image folder by their path relative to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._shards: dict[str, dict[str, Member]] = {}
        """Folder below the image folder -> contents of its shards."""
        self._tables: dict[str, tuple[dict[str, Cell], ...]] = {}
        """Folder below the image folder -> contents of the Parquet files that stand for it."""

    def __contains__(self, name: str) -> bool:
        loose = (self.folder / name).is_file()
        return loose or self.place(name, loose=loose) is not None

    @property
    def packed(self) -> bool:
        """Whether shards lie directly in the image folder."""
        return bool(self._members(""))

    def tabled(self, parent: str) -> bool:
        """Return whether pictures of a folder below the image folder may lie in Parquet."""
        return any(table for folder, _ in _folders(f"{parent}/_") for table in self._inside(folder))

    def place(self, name: str, *, loose: bool) -> Member | Cell | None:
        """Return a file's place in a table or shard; a shard in the folder of a `loose` file gives way to it."""
        return self._tabled(name) or self._packed(name, "") or (None if loose else self._beside(name))

    def read(self, name: str) -> bytes:
        """Return the content of a file. Raises `MissingData`, or `UnreadableData` for a damaged Parquet file."""
        cell = self._tabled(name)
        if cell is not None:
            return content_of(cell)
        member = self._packed(name, "")
        if member is None:
            with suppress(FileNotFoundError):
                return (self.folder / name).read_bytes()
            member = self._beside(name)
        if member is None:
            raise MissingData(
                f"{self.folder / name}: no such picture, neither as a file nor in a .tar shard or Parquet file of "
                "that folder"
            )
        with member.shard.open("rb") as file:
            file.seek(member.start)
            return file.read(member.size)

    def picture(self, name: str, digest: str | None = None) -> Image:
        """Return a picture in RGB, upright and opaque. Raises `MissingData`, or `UnreadableData` if it is damaged.

        `digest`: SHA-256 that its bytes must have, so that nothing made from other bytes is kept under it.
        """
        from ablative.trainables.data.decoding import decoded

        return self._decoded(name, decoded, digest)

    def size(self, name: str) -> tuple[int, int]:
        """Return width and height of a picture, decoding all of it. Raises as `picture`, in less time."""
        from ablative.trainables.data.decoding import decoded_size

        return self._decoded(name, decoded_size)

    def _decoded(self, name: str, decode: Callable[[bytes], Made], digest: str | None = None) -> Made:
        content = self.read(name)
        if digest and hashlib.sha256(content).hexdigest() != digest:
            raise UnreadableData(
                f"{self.folder / name}: changed while it was being prepared; run the same command again"
            )
        with parsing(f"{self.folder / name}: not a picture that can be decoded", "get the picture again"):
            return decode(content)

    def _tabled(self, name: str) -> Cell | None:
        """Return a picture's place in a Parquet file."""
        for folder, rest in _folders(name):
            for table in self._inside(folder):
                if rest in table:
                    return table[rest]
        return None

    def _inside(self, folder: str) -> tuple[dict[str, Cell], ...]:
        if folder not in self._tables:
            of_name = [self.folder / f"{folder}.parquet"] if folder else []
            paths = (self.folder / folder / METADATA, *of_name)
            self._tables[folder] = tuple(filter(None, map(pictures_inside, paths)))
        return self._tables[folder]

    def _beside(self, name: str) -> Member | None:
        """Return its place in shards in the folder of the loose file."""
        parent = name.rpartition("/")[0]
        return self._packed(name, parent) if parent else None

    def _packed(self, name: str, parent: str) -> Member | None:
        members = self._members(parent)
        return members.get(name) or members.get(name.rpartition("/")[2]) if members else None

    def _members(self, parent: str) -> dict[str, Member]:
        if parent not in self._shards:
            folder = self.folder / parent
            shards = _shards(folder, folder.stat().st_mtime_ns) if folder.is_dir() else ()
            self._shards[parent] = _index(tuple((path, stamp_of(path.stat())) for path in shards))
        return self._shards[parent]


def _folders(name: str) -> Iterator[tuple[str, str]]:
    """Yield each folder that contains a name, the image folder itself first, with the rest of the name."""
    parts = name.split("/")
    for depth in range(len(parts)):
        yield "/".join(parts[:depth]), "/".join(parts[depth:])


@lru_cache(maxsize=8)
def _shards(folder: Path, _: int) -> tuple[Path, ...]:
    with os.scandir(folder) as entries:
        return tuple(sorted(folder / entry.name for entry in entries if entry.name.endswith(".tar")))


@lru_cache(maxsize=8)
def _index(shards: tuple[tuple[Path, Stamp], ...]) -> dict[str, Member]:
    """Return name -> place of the regular members of all shards, by whole name, and by last name if it is unique."""
    found: dict[str, Member] = {}
    last: dict[str, list[Member]] = {}
    for path, _ in shards:
        for name, member in _regular(path):
            found[name] = member
            last.setdefault(name.rpartition("/")[2], []).append(member)
    return {name: places[0] for name, places in last.items() if len(places) == 1} | found


def _regular(path: Path) -> list[tuple[str, Member]]:
    """Return the regular members of a shard. Rejects members that claim more bytes than the file has."""
    found, end = [], path.stat().st_size
    with parsing(f"{path}: not an uncompressed tar file", "get the shard again"), tarfile.open(path, "r:") as shard:
        for entry in shard:
            if not 0 <= entry.size <= end - entry.offset_data:
                raise tarfile.ReadError(f"{entry.name} has {entry.size:,} bytes, the file ends before")
            if entry.isreg() and not entry.issparse():
                name = entry.name.removeprefix("./")
                found.append((name, Member(shard=path, start=entry.offset_data, size=entry.size)))
        if _block(path, shard.offset).strip(b"\0"):  # tarfile takes a damaged header for the end
            raise tarfile.ReadError(f"no header at byte {shard.offset:,}")
    return found


def _block(path: Path, start: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(tarfile.BLOCKSIZE)
