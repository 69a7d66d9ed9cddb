"""A cache in object storage: a machine publishes the files it has prepared, and others fetch the ones they read.

An object's key is the name of a file in the cache and its digest, `<name>/<SHA-256>`; a folder that is written whole
and never changed, such as a shard, is one object, `<name>/<SHA-256>.tar`. So a list of keys is a full inventory,
nothing is ever replaced, and a half-published file does not appear. `listings/<id>.json` lists the files that one
run's trials read. Imports no torch.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import tempfile
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from dataclasses import field
from functools import partial
from pathlib import Path
from typing import Any

from ablative.places import PlaceError
from ablative.places import inside
from ablative.places import is_uri
from ablative.places import opened
from ablative.places import require_bucket
from ablative.places import shown
from ablative.places import why
from ablative.progress import Progress
from ablative.progress import silent
from ablative.trainables.cache import local_cache
from ablative.trainables.copies import FOLDER as COPIES
from ablative.trainables.copies import Copies
from ablative.trainables.copies import Item
from ablative.trainables.copies import Listing
from ablative.trainables.data.far import look_once
from ablative.trainables.file_digests import file_digests
from ablative.trainables.parts.preparation import Block
from ablative.trainables.parts.preparation import Preparation
from ablative.trainables.parts.preparation import Reads

STAGE = "publishing the prepared files"
LISTINGS = "listings"
_PIECE = 8 * 2**20
_OWN = (COPIES, "data", "cache_id", "file_digests.json")
"""Files of a cache folder that belong to this machine only."""


@dataclass(frozen=True, slots=True)
class Listed:
    """The listing that a run's workers fetch before their first trial."""

    uri: str
    """Of the cache."""
    id: str
    """Of the listing."""

    def fetched(self, progress: Progress) -> Path:
        """Fetch it and return the folder of the cache on this machine. Raises PlaceError."""
        files, root = opened(self.uri)
        try:
            with files.open_input_file(f"{root}/{LISTINGS}/{self.id}.json") as file:
                text = bytes(file.read()).decode()
        except (OSError, ValueError) as error:
            raise PlaceError(f"{shown(self.uri)}: {why(error)}") from error
        cache = local_cache(self.uri)
        Copies(cache).fetch(Listing.read(text), progress)
        return cache


@dataclass(slots=True)
class PublishedCache:
    """A cache at a URI, with the steps that prepare it."""

    uri: str
    plain: Preparation
    listed: Listed | None = field(default=None, init=False)
    """What `listing` found last."""

    @property
    def steps(self) -> Preparation:
        """Return the steps; each works in the folder of its own machine, and publishes the results."""
        return Preparation(
            data=partial(_data, self.uri, self.plain),
            blocks=partial(_blocks, self.uri, self.plain, self.plain.blocks),
            then=partial(_blocks, self.uri, self.plain, self.plain.then),
            compute=partial(_compute, self.uri, self.plain),
            release=self.plain.release,
            alone=partial(_alone, self.uri, self.plain.alone),
        )

    def list_for(self, configs: Sequence[Any]) -> None:
        """Write the listing of the files that trials of these configurations read. Raises PlaceError."""
        cache = local_cache(self.uri)
        reads = self.plain.reads(configs, cache)
        listing = Listing((*_there(self.uri, reads.places, cache).values(), *reads.others))
        _write(self.uri, f"{LISTINGS}/{listing.id}.json", [listing.text.encode()])
        self.listed = Listed(self.uri, listing.id)


def require(uri: str) -> None:
    """Raise PlaceError if the folder at `uri` cannot be listed with these credentials; it need not be there."""
    from pyarrow import fs

    require_bucket(uri)
    files, root = opened(uri)
    try:
        files.get_file_info(fs.FileSelector(f"{root}/{LISTINGS}", allow_not_found=True))
    except OSError as error:
        raise PlaceError(f"{shown(uri)}: {why(error)}") from error


def named_cache() -> str:
    """Return the URI that ABLATE_CACHE names; empty if it names a folder, or nothing."""
    named = os.environ.get("ABLATE_CACHE", "")
    return named if is_uri(named) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _FarBlock:
    """A block with the files that its machine needs."""

    block: Any
    places: tuple[str, ...]
    data: tuple[str, ...]

    @property
    def stage(self) -> str:
        """The block's."""
        return str(self.block.stage)

    @property
    def size(self) -> int:
        """The block's."""
        return int(self.block.size)

    @property
    def work(self) -> float:
        """The block's."""
        return float(self.block.work)


def _data(uri: str, steps: Preparation, configs: Sequence[Any], _: Path, progress: Progress) -> None:
    cache = local_cache(uri)
    _bring(uri, steps.reads(configs, cache), cache, progress)
    steps.prepare_data(configs, cache, progress)
    _publish(uri, steps.reads(configs, cache).places, cache, progress)


def _blocks(
    uri: str,
    steps: Preparation,
    round_of: Callable[[Sequence[Any], Path], Sequence[Block]],
    configs: Sequence[Any],
    _: Path,
) -> list[_FarBlock]:
    cache, reads = local_cache(uri), steps.reads(configs, local_cache(uri))
    _bring(uri, reads, cache, silent)
    return [_FarBlock(block=block, places=reads.places, data=reads.data) for block in round_of(configs, cache)]


def _compute(uri: str, steps: Preparation, block: _FarBlock, _: Path) -> None:
    cache = local_cache(uri)
    _bring(uri, Reads(places=block.places, data=block.data), cache, silent)
    steps.compute(block.block, cache)
    _publish(uri, block.places, cache, silent)


def _alone(
    uri: str, alone: Callable[[Path, Progress], AbstractContextManager[None]], _: Path, progress: Progress
) -> AbstractContextManager[None]:
    return alone(local_cache(uri), progress)


def _bring(uri: str, reads: Reads, cache: Path, progress: Progress) -> None:
    """Fetch the data, and published files that this machine lacks."""
    for data in reads.data:
        look_once(data, cache)
    there = Listing(tuple(_there(uri, reads.places, cache).values()))
    name = hashlib.sha256("\0".join(reads.places).encode()).hexdigest()[:16]
    Copies(cache).fetch(there, progress, replace=False, name=f"prepared-{name}")


def _there(uri: str, places: Sequence[str], cache: Path) -> dict[str, Item]:
    """Return name -> its object at these places: among several the one of the local file, else the latest."""
    found: dict[str, list[tuple[int, Item]]] = {}
    for info in _listed(uri, places):
        name, _, last = info.path.rpartition("/")
        digest, _, packed = last.partition(".")
        item = Item(name=name, uri=uri, key=info.path, size=info.size, digest=digest, packed=packed == "tar")
        found.setdefault(name, []).append((info.mtime_ns or 0, item))
    chosen = {}
    for name, versions in sorted(found.items()):
        here = cache / name
        own = file_digests([here], cache)[0] if len(versions) > 1 and here.is_file() else ""
        latest = max(versions, key=lambda version: (version[1].digest == own, version[0], version[1].digest))
        chosen[name] = latest[1]
    return chosen


def _listed(uri: str, places: Sequence[str]) -> Iterator[Any]:
    """Yield the objects below these places, each with its key as its path."""
    from pyarrow import fs

    files, root = opened(uri)
    for place in places:
        selector = fs.FileSelector(f"{root}/{place}".rstrip("/"), recursive=True, allow_not_found=True)
        try:
            listed = files.get_file_info(selector)
        except OSError as error:
            raise PlaceError(f"{shown(uri)}: {why(error)}") from error
        for info in listed:
            key = info.path.removeprefix(f"{root}/")
            if info.type == fs.FileType.File and not key.startswith(f"{LISTINGS}/"):
                yield _Key(path=key, size=info.size, mtime_ns=info.mtime_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Key:
    path: str
    size: int
    mtime_ns: int | None


def _publish(uri: str, places: Sequence[str], cache: Path, progress: Progress) -> None:
    keys = {key.path for key in _listed(uri, places)}
    packed = {key.rpartition("/")[0] for key in keys if key.endswith(".tar")}
    units = [unit for place in places for unit in _units(cache, place)]
    files = [unit for unit in units if (cache / unit).is_file()]
    new = [(name, f"{name}/{digest}") for name, digest in _digested(files, cache) if f"{name}/{digest}" not in keys]
    folders = [unit for unit in units if (cache / unit).is_dir() and unit not in packed]
    for number, (name, key) in enumerate(new, start=1):
        with (cache / name).open("rb") as file:
            _write(uri, key, iter(partial(file.read, _PIECE), b""))
        progress(STAGE, number, len(new) + len(folders))
    (cache / COPIES).mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(folders, start=len(new) + 1):
        with tempfile.TemporaryFile(dir=cache / COPIES) as file:
            digest = _packed(cache / name, file)
            _write(uri, f"{name}/{digest}.tar", iter(partial(file.read, _PIECE), b""))
        progress(STAGE, number, len(new) + len(folders))


def _digested(names: Sequence[str], cache: Path) -> Iterator[tuple[str, str]]:
    return zip(names, file_digests([cache / name for name in names], cache), strict=True)


def _units(cache: Path, place: str) -> Iterator[str]:
    """Yield the publishable units of a file or folder of the cache: files, and folders that never change."""
    path = cache / place
    if path.is_file() or (path.is_dir() and (path.name.startswith("shard-") or (path / "benchmark.json").is_file())):
        yield place
    elif path.is_dir():
        for child in sorted(path.iterdir()):
            name = child.name if path == cache else f"{place}/{child.name}"
            left_out = child.name.startswith((".", "building-")) or child.suffix == ".lock" or name in _OWN
            if not left_out:
                yield from _units(cache, name)


def _packed(folder: Path, file: Any) -> str:
    """Write a folder as a tar file, the same bytes wherever it is done, and return their digest."""
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as packed:
        for path in sorted(folder.rglob("*")):
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            if path.is_dir():
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                packed.addfile(entry)
            else:
                entry.size, entry.mode = path.stat().st_size, 0o644
                with path.open("rb") as content:
                    packed.addfile(entry, content)
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0)
    return digest


def _write(uri: str, key: str, pieces: Any) -> None:
    files, root = opened(uri)
    try:
        with files.open_output_stream(f"{root}/{key}", compression=None) as target:
            for piece in pieces:
                target.write(piece)
    except (OSError, ValueError) as error:
        raise PlaceError(f"{shown(inside(uri, key))}: cannot be written: {why(error)}") from error
