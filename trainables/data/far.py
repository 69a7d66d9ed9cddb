"""A data set's folder in object storage: copied below the cache, with a manifest of the copies.

`<cache>/data/<hash of the URI>/` has the files; `<cache>/data/<hash>.json` gives the size, time and digest of each. A
look lists the folder and fetches new and changed files. The copy is read like any other data set's folder, so data
that moves there keeps its identity. Imports no torch.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ablative.places import is_uri
from ablative.places import opened
from ablative.places import require_bucket
from ablative.places import shown
from ablative.places import why
from ablative.progress import Progress
from ablative.progress import silent
from ablative.trainables.cache import write_atomically
from ablative.trainables.errors import MissingData

if TYPE_CHECKING:
    from ablative.trainables.copies import Item

FOLDER = "data"
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
"""Suffixes of loose pictures, which no trial reads: trials read the features or pixels made from them."""


def local_folder(data: str, cache: Path) -> Path:
    """Return the folder of a data set on this machine; for a URI, the folder of its copy."""
    return cache / FOLDER / _name(data) if is_uri(data) else Path(data).expanduser().absolute()


def is_fetched(data: str, cache: Path) -> bool:
    """Return whether a data set is given by a path, or its fetch is complete."""
    return not is_uri(data) or _manifest(data, cache).is_file()


@lru_cache(maxsize=64)
def look_once(data: str, cache: Path) -> None:
    """Look at a data set unless this process has already done so. Raises as `look`."""
    look(data, cache)


def look(data: str, cache: Path, progress: Progress = silent) -> None:
    """Fetch new and changed files of a data set given by URI. Raises MissingData or PlaceError."""
    if not is_uri(data):
        return
    from pyarrow import fs

    from ablative.trainables.copies import Copies
    from ablative.trainables.copies import Item
    from ablative.trainables.copies import Listing

    files, root = opened(data)
    try:
        found = files.get_file_info(fs.FileSelector(root, recursive=True, allow_not_found=True))
    except OSError as error:
        raise MissingData(f"task.data: {shown(data)}: {why(error)}") from error
    there = {i.path.removeprefix(f"{root}/"): (i.size, i.mtime_ns or 0) for i in found if i.type == fs.FileType.File}
    if not there:
        require_bucket(data)
        raise MissingData(f"task.data: {shown(data)}: no files there; give the URI of the data set's folder")
    known, before = _read(data, cache), f"{FOLDER}/{_name(data)}"
    digests = {name: known[name][2] for name, stamp in there.items() if known.get(name, ())[:2] == stamp}
    items = tuple(
        Item(name=f"{before}/{name}", uri=data, key=name, size=size, digest=digests.get(name, ""))
        for name, (size, _) in sorted(there.items())
    )
    fetched = Copies(cache).fetch(Listing(items), progress, name=f"{FOLDER}-{_name(data)}")
    for gone in known.keys() - there.keys():
        (cache / before / gone).unlink(missing_ok=True)
    now = {name: (*stamp, fetched[f"{before}/{name}"]) for name, stamp in there.items()}
    if now != known:
        write_atomically(_manifest(data, cache), json.dumps(now))


def read_by_trials(data: str, cache: Path, *, all_of_it: bool) -> tuple[list[Item], str]:
    """Return the objects that other machines read from a data set by URI, and its manifest's name in the cache.

    `all_of_it`: also packed pictures, and metadata beside pictures. Otherwise the contents of their folders are left
    out, and the folders exist empty.
    """
    from ablative.trainables.copies import Item

    before, items, folders = f"{FOLDER}/{_name(data)}", [], set[str]()
    for name, (size, _, digest) in sorted(_read(data, cache).items()):
        folders.add(name.rpartition("/")[0])
        if not name.lower().endswith(PICTURES) and (all_of_it or _is_plain(name)):
            items.append(Item(name=f"{before}/{name}", uri=data, key=name, size=size, digest=digest))
    empty = [Item(name=f"{before}/{folder}/", uri=data, key="", size=0) for folder in sorted(folders) if folder]
    return [*empty, *items], f"{before}.json"


def _is_plain(name: str) -> bool:
    """Return whether a file lies at the top, or in a folder of region features or slices."""
    parents = name.split("/")[:-1]
    return not parents or parents[-1] in ("regions", "slices")


def _name(data: str) -> str:
    return hashlib.sha256(data.partition("?")[0].rstrip("/").encode()).hexdigest()[:16]


def _manifest(data: str, cache: Path) -> Path:
    return cache / FOLDER / f"{_name(data)}.json"


def _read(data: str, cache: Path) -> dict[str, tuple[int, int, str]]:
    try:
        content = json.loads(_manifest(data, cache).read_text(encoding="utf-8"))
        return {str(name): (int(size), int(time), str(digest)) for name, (size, time, digest) in content.items()}
    except (OSError, ValueError, TypeError, AttributeError):  # only a memory: without it everything is fetched again
        return {}
