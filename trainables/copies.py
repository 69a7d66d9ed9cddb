"""Copies of objects from object storage, fetched once and read like any other file of the cache.

A *listing* says which objects become which files of the cache folder. Below `<cache>/copies/` there are `known.json`,
the digest and size of each copy, and for each listing `listings/<id>.json`, whose time shows the least recently used
one, and `<id>.lock`, held by every process that reads its files. One process per machine fetches at a time; the others
wait. A copy exists whole and with the right digest, or not at all. Imports no torch.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import tarfile
from collections.abc import Iterator
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from pathlib import PurePosixPath
from typing import IO

from filelock import FileLock

from ablative.places import PlaceError
from ablative.places import inside
from ablative.places import opened
from ablative.places import shown
from ablative.places import why
from ablative.progress import Progress
from ablative.progress import silent
from ablative.trainables.cache import write_atomically
from ablative.trainables.hindrance import is_full

FOLDER = "copies"
LIMIT = "ABLATE_COPIES_GB"
"""Variable: how much of this machine's disk copies may take, in 10^9 bytes."""
_LIMIT_GB = 200.0
_THREADS = 16
_PIECE = 8 * 2**20
_TRIES = 3
"""Attempts at an object that was replaced while being read."""
STAGE = "fetching the files that trials read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An object, and the file or folder of the cache that it becomes."""

    name: str
    """Of the file or folder, relative to the cache, with `/`."""
    uri: str
    """Folder that the object is in."""
    key: str
    """Of the object, relative to that folder."""
    size: int
    digest: str = ""
    """SHA-256 of the object; empty if unknown before it is fetched."""
    packed: bool = False
    """Whether the object is a tar file of a whole folder."""

    def __post_init__(self) -> None:
        path = PurePosixPath(self.name)
        if path.is_absolute() or ".." in path.parts:  # whoever writes to the bucket chooses it
            raise PlaceError(
                f"{shown(inside(self.uri, self.key))}: a name that leads outside the cache; remove it there"
            )


@dataclass(frozen=True)
class Listing:
    """The entries that a process reads, in order of fetching: the last ones vouch for the rest."""

    items: tuple[Item, ...]

    @cached_property
    def text(self) -> str:
        """The listing as JSON."""
        return json.dumps([asdict(item) for item in self.items])

    @cached_property
    def id(self) -> str:
        """What tells it from others."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:24]

    @classmethod
    def read(cls, text: str) -> Listing:
        """Return what `text` was made of."""
        return cls(tuple(Item(**row) for row in json.loads(text)))


_HELD: dict[Path, IO[str]] = {}
"""Lock of a listing -> the open file by which this process holds it."""


class Copies:
    """The copies below one cache folder."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._folder = cache / FOLDER
        self._listings = self._folder / "listings"

    def fetch(
        self, listing: Listing, progress: Progress = silent, *, replace: bool = True, name: str = ""
    ) -> dict[str, str]:
        """Fetch missing entries, and return name -> digest; they are not evicted until this process ends.

        `replace`: whether to replace an existing file with other content. `name`: names the thing of which this
        listing is the latest state; unique unless given. Raises PlaceError.
        """
        self._listings.mkdir(parents=True, exist_ok=True)
        name = name or listing.id
        path = self._listings / f"{name}.lock"
        if path not in _HELD:
            _HELD[path] = path.open("a")
            fcntl.flock(_HELD[path], fcntl.LOCK_SH)  # ends with the process, however that ends
        return self._fetched(listing, progress, replace, name)

    def let_go(self) -> None:
        """Allow the eviction of this process's copies."""
        for path in [path for path in _HELD if path.parent == self._listings]:
            _HELD.pop(path).close()

    def _fetched(self, listing: Listing, progress: Progress, replace: bool, name: str) -> dict[str, str]:
        with FileLock(self._folder / "fetching.lock"):
            shutil.rmtree(self._unfinished, ignore_errors=True)  # left by a killed process
            self._unfinished.mkdir()
            known = self._known()
            lacking = [item for item in listing.items if not self._is_here(item, known, replace)]
            if lacking:
                self._make_room(name, lacking, known)
                self._fetch(lacking, known, progress)
            write_atomically(self._listings / f"{name}.json", listing.text)
            return {item.name: known.get(item.name, (item.digest, 0))[0] for item in listing.items}

    def _is_here(self, item: Item, known: dict[str, tuple[str, int]], replace: bool) -> bool:
        path = self._cache / item.name
        if item.name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
            return True
        if item.packed:  # its name says what it holds
            return path.is_dir()
        if not path.is_file():
            return False
        if not replace or (item.digest and known.get(item.name, ("", 0))[0] == item.digest):
            return True
        if not item.digest or path.stat().st_size != item.size:
            return False
        with path.open("rb") as file:  # fetched by a killed process, or made here
            found = hashlib.file_digest(file, "sha256").hexdigest()
        known[item.name] = (found, item.size)
        return found == item.digest

    def _fetch(self, lacking: Sequence[Item], known: dict[str, tuple[str, int]], progress: Progress) -> None:
        total, done = sum(item.size for item in lacking), 0
        *most, last = lacking
        try:
            with ThreadPoolExecutor(_THREADS) as threads:
                for item, digest in zip(most, threads.map(self._copy, most), strict=True):
                    known[item.name] = (digest, item.size)
                    done += item.size
                    progress(STAGE, done, total)
            known[last.name] = (self._copy(last), last.size)
            progress(STAGE, total, total)
        finally:
            write_atomically(self._folder / "known.json", json.dumps(known))

    def _copy(self, item: Item) -> str:
        """Fetch an object, and move it into place once it is whole; return its digest."""
        path, scratch = self._cache / item.name, self._unfinished / secrets.token_hex(8)
        digest = _downloaded(item, scratch)
        if item.packed:
            unpacked = scratch.with_suffix(".folder")
            with tarfile.open(scratch, "r:") as packed:
                packed.extractall(unpacked, filter="data")
            scratch.unlink()
            scratch = unpacked
        path.parent.mkdir(parents=True, exist_ok=True)
        os.replace(scratch, path)
        return digest

    @property
    def _unfinished(self) -> Path:
        return self._folder / "unfinished"

    def _make_room(self, listing: str, lacking: Sequence[Item], known: dict[str, tuple[str, int]]) -> None:
        """Evict copies that no process reads, the least recently used first."""
        limit = float(os.environ.get(LIMIT) or _LIMIT_GB) * 1e9
        needed = sum(item.size for item in lacking)

        def taken() -> int:
            return sum(size for _, size in known.values())

        others = sorted(self._listings.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        others = [path for path in others if path.stem != listing]
        while others and taken() + needed > limit:
            with _unused(others.pop(0)) as doomed:
                if doomed is None:
                    continue
                kept = {name for path in self._listings.glob("*.json") if path != doomed for name in _names(path)}
                for name in reversed(_names(doomed)):
                    if name not in kept and known.pop(name, None) is not None:
                        _remove(self._cache / name)
                doomed.unlink()
        if taken() + needed > limit:
            raise PlaceError(
                f"{self._cache}: no room for {needed / 1e9:.3g} GB of copies beside the {taken() / 1e9:.3g} GB in "
                f"use; allow more than {limit / 1e9:.3g} GB with {LIMIT}"
            )

    def _known(self) -> dict[str, tuple[str, int]]:
        """Return name -> (digest, size) of fetched copies."""
        try:
            content = json.loads((self._folder / "known.json").read_text(encoding="utf-8"))
            return {name: (str(digest), int(size)) for name, (digest, size) in content.items()}
        except (OSError, ValueError, TypeError, AttributeError):  # only a memory: without it files are hashed again
            return {}


def _names(path: Path) -> list[str]:
    return [item.name for item in Listing.read(path.read_text(encoding="utf-8")).items]


@contextmanager
def _unused(path: Path) -> Iterator[Path | None]:
    """Yield a listing that no process reads, and keep others from starting to; None if one does."""
    with path.with_suffix(".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield path


def _remove(path: Path) -> None:
    if path.is_dir():
        doomed = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        path.rename(doomed)  # removed whole, even if a process is killed meanwhile
        shutil.rmtree(doomed, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _downloaded(item: Item, path: Path) -> str:
    """Write an object into a file and return its digest. Raises PlaceError if it is not the listed object."""
    files, root = opened(item.uri)
    place = shown(inside(item.uri, item.key))
    for _ in range(_TRIES):
        digest, written = hashlib.sha256(), 0
        try:
            with files.open_input_file(f"{root}/{item.key}") as source, path.open("wb") as target:
                while piece := source.read(_PIECE):
                    target.write(piece)
                    digest.update(piece)
                    written += len(piece)
        except FileNotFoundError as error:
            raise PlaceError(
                f"{place}: no longer exists; run the same command again to list the present objects"
            ) from error
        except (OSError, ValueError) as error:
            if getattr(error, "filename", None) == str(path) or is_full(error):
                raise
            raise PlaceError(f"{place}: {why(error)}") from error
        if written == item.size and item.digest in ("", digest.hexdigest()):
            return digest.hexdigest()
    raise PlaceError(
        f"{place}: another object than was listed; run the same command again to list the present objects"
    )
