"""Where generated and computed things are kept between trials."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ablative.places import is_uri

COPIES = "ABLATE_COPIES"
"""Variable: the folder of this machine for copies of caches that are given by their URI."""


def cache_folder() -> Path:
    """Return the cache folder: the environment variable ABLATE_CACHE, else `~/.cache/ablate`. Absolute.

    Of a cache at a URI it is the folder of this machine's copies.
    """
    named = os.environ.get("ABLATE_CACHE")
    if named and is_uri(named):
        return local_cache(named)
    return Path(named).expanduser().absolute() if named else _home()


def local_cache(uri: str) -> Path:
    """Return where this machine has its copies of the cache at a URI: below ABLATE_COPIES, else `~/.cache/ablate`."""
    named = os.environ.get(COPIES)
    around = Path(named).expanduser().absolute() if named else _home()
    return around / f"of-{hashlib.sha256(uri.partition('?')[0].rstrip('/').encode()).hexdigest()[:16]}"


def _home() -> Path:
    return Path.home() / ".cache" / "ablate"


def place_key(folder: Path | str, cache: Path) -> str:
    """Return what a folder is called in names of the cache: its path, relative where it is inside the cache.

    Each machine may have its cache elsewhere; `cache / place_key(...)` is the folder again.
    """
    path, around = Path(folder).resolve(), cache.resolve()
    return path.relative_to(around).as_posix() if path.is_relative_to(around) else str(path)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield where to write: readers find the old `path` or the new one, whoever is killed or fails meanwhile."""
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")  # machines that share a cache share pids too
    try:
        scratch.touch()  # where nothing may be written, Python says so better than what writes
        yield scratch
        os.replace(scratch, path)
    except OSError as error:
        if error.filename == str(scratch):  # nobody knows that name
            error.filename = str(path)
        raise
    finally:
        scratch.unlink(missing_ok=True)


@contextmanager
def folder_written_whole(path: Path) -> Iterator[Path]:
    """Yield a new folder that becomes `path`; nothing is left of it if the block fails."""
    scratch = path.with_name(f"building-{secrets.token_hex(4)}")
    scratch.mkdir()
    try:
        yield scratch
        os.rename(scratch, path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def write_atomically(path: Path, content: str) -> None:
    """Write a text file whole or not at all."""
    with written_whole(path) as scratch:
        scratch.write_text(content, encoding="utf-8")
