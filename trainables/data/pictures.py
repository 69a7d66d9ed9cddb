"""The files of an image folder, be they loose or in tar shards (WebDataset's naming). Nothing is ever unpacked.

A shard is an uncompressed `.tar` directly in the image folder, or where the loose file would be in a folder below it.
Its members are named like the loose files; one whose folders were left out when it was packed is found by its last
name, if no other member has it.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from typing import TypeVar

from ablative.trainables.errors import MissingData
from ablative.trainables.errors import UnreadableData
from ablative.trainables.file_digests import Stamp
from ablative.trainables.file_digests import stamp_of
from ablative.trainables.strangers import parsing

if TYPE_CHECKING:
    from PIL.Image import Image


Made = TypeVar("Made")

DECODING_VERSION = 2
"""Raised when a picture becomes other pixels: every picture of a real data set is then computed anew. The features of
teachers do not have it in their names: raise `FEATURES_VERSION` of `trainables.teachers.digest` with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Where a file lies in a tar shard."""

    shard: Path
    start: int
    size: int


class Pictures:
    """Reads files of one image folder by their path relative to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._shards: dict[str, dict[str, Member]] = {}
        """Folder below the image folder -> what the shards in it hold."""

    def __contains__(self, name: str) -> bool:
        loose = (self.folder / name).is_file()
        return loose or self.member(name, loose=loose) is not None

    @property
    def packed(self) -> bool:
        """Whether shards lie directly in the image folder."""
        return bool(self._members(""))

    def member(self, name: str, *, loose: bool) -> Member | None:
        """Return where a shard holds a file; one in the folder of a loose file gives way to it (`loose`)."""
        return self._packed(name, "") or (None if loose else self._beside(name))

    def read(self, name: str) -> bytes:
        """Return the content of a file. Raises `MissingData`."""
        member = self._packed(name, "")
        if member is None:
            with suppress(FileNotFoundError):
                return (self.folder / name).read_bytes()
            member = self._beside(name)
        if member is None:
            raise MissingData(
                f"{self.folder / name}: no such picture, neither as a file nor in a .tar shard of that folder"
            )
        with member.shard.open("rb") as file:
            file.seek(member.start)
            return file.read(member.size)

    def picture(self, name: str, digest: str | None = None) -> Image:
        """Return a picture in RGB, upright and opaque. Raises `MissingData`, or `UnreadableData` if it is damaged.

        `digest`: SHA-256 that its bytes must have, so that nothing is kept under it that was made of others.
        """
        from ablative.trainables.data.decoding import decoded

        return self._decoded(name, decoded, digest)

    def size(self, name: str) -> tuple[int, int]:
        """Return width and height of a picture, all of which is decoded. Raises as `picture`, and takes less time."""
        from ablative.trainables.data.decoding import decoded_size

        return self._decoded(name, decoded_size)

    def _decoded(self, name: str, decode: Callable[[bytes], Made], digest: str | None = None) -> Made:
        content = self.read(name)
        if digest and hashlib.sha256(content).hexdigest() != digest:
            raise UnreadableData(
                f"{self.folder / name}: changed while it was being prepared; run the same command again"
            )
        with parsing(f"{self.folder / name}: no picture that can be decoded", "get the picture again"):
            return decode(content)

    def _beside(self, name: str) -> Member | None:
        """Return where shards in the folder of the loose file have it."""
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
    """Return the regular members of a shard. Members that claim more bytes than the file has are refused."""
    found, end = [], path.stat().st_size
    with parsing(f"{path}: no uncompressed tar file", "get the shard again"), tarfile.open(path, "r:") as shard:
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
