"""The files of an image folder, be they loose or in tar shards (WebDataset's naming). Nothing is ever unpacked.

A shard is an uncompressed `.tar` directly in the image folder. Its members are named like the loose files; one whose
folders were left out when it was packed is found by its last name, if no other member has it.
"""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from trainables.errors import UnreadableData


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    shard: Path
    start: int
    size: int


class Pictures:
    """Reads files of one image folder by their path relative to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._members = _index(folder, folder.stat().st_mtime_ns) if folder.is_dir() else {}

    def __contains__(self, name: str) -> bool:
        return self._member(name) is not None or (self.folder / name).is_file()

    def read(self, name: str) -> bytes:
        """Return the content of a file. Raises FileNotFoundError."""
        member = self._member(name)
        if member is None:
            return (self.folder / name).read_bytes()
        with member.shard.open("rb") as file:
            file.seek(member.start)
            return file.read(member.size)

    def _member(self, name: str) -> _Member | None:
        if not self._members:
            return None
        return self._members.get(name) or self._members.get(name.rpartition("/")[2])


@lru_cache(maxsize=4)
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
