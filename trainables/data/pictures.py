"""The files of an image folder, be they loose or in tar shards (WebDataset's naming). Nothing is ever unpacked.

A shard is an uncompressed `.tar` directly in the image folder, or where the loose file would be in a folder below it.
Its members are named like the loose files; one whose folders were left out when it was packed is found by its last
name, if no other member has it.
"""

from __future__ import annotations

import io
import tarfile
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from trainables.errors import MissingData
from trainables.errors import UnreadableData

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    shard: Path
    start: int
    size: int


class Pictures:
    """Reads files of one image folder by their path relative to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._shards: dict[str, dict[str, _Member]] = {}
        """Folder below the image folder -> what the shards in it hold."""

    def __contains__(self, name: str) -> bool:
        return self._packed(name, "") is not None or (self.folder / name).is_file() or self._beside(name) is not None

    def read(self, name: str) -> bytes:
        """Return the content of a file. Raises `MissingData`."""
        member = self._packed(name, "")
        if member is None:
            with suppress(FileNotFoundError):
                return (self.folder / name).read_bytes()
            member = self._beside(name)
        if member is None:
            raise MissingData(
                f"{self.folder / name}: no such picture, neither as a file nor in a .tar shard of that folder; "
                "`ablate data check` counts all that are missing"
            )
        with member.shard.open("rb") as file:
            file.seek(member.start)
            return file.read(member.size)

    def picture(self, name: str) -> Image:
        """Return a picture in RGB. Raises `MissingData`, or `UnreadableData` for what cannot be decoded."""
        from PIL import Image

        content = self.read(name)
        try:
            with Image.open(io.BytesIO(content)) as picture:
                return picture.convert("RGB")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise UnreadableData(
                f"{self.folder / name}: cannot be decoded ({type(error).__name__}); get the picture again"
            ) from error

    def _beside(self, name: str) -> _Member | None:
        """Return where shards in the folder of the loose file have it."""
        parent = name.rpartition("/")[0]
        return self._packed(name, parent) if parent else None

    def _packed(self, name: str, parent: str) -> _Member | None:
        if parent not in self._shards:
            folder = self.folder / parent
            self._shards[parent] = _index(folder, folder.stat().st_mtime_ns) if folder.is_dir() else {}
        members = self._shards[parent]
        return members.get(name) or members.get(name.rpartition("/")[2]) if members else None


@lru_cache(maxsize=8)
def _index(folder: Path, _: int) -> dict[str, _Member]:
    """Return name -> place of the regular members of all shards, by whole name, and by last name if it is unique."""
    found: dict[str, _Member] = {}
    last: dict[str, list[_Member]] = {}
    for path in sorted(folder.glob("*.tar")):
        for name, member in _members(path):
            found[name] = member
            last.setdefault(name.rpartition("/")[2], []).append(member)
    return {name: places[0] for name, places in last.items() if len(places) == 1} | found


def _members(path: Path) -> list[tuple[str, _Member]]:
    try:
        with tarfile.open(path, "r:") as shard:
            return [
                (entry.name.removeprefix("./"), _Member(shard=path, start=entry.offset_data, size=entry.size))
                for entry in shard
                if entry.isreg()
            ]
    except tarfile.TarError as error:
        raise UnreadableData(f"{path}: {error}; expected an uncompressed tar file. Get the shard again.") from error
