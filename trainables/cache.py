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
"""Variable: this machine's folder for copies of caches given by URI."""


def cache_folder() -> Path:
    """Return the absolute cache folder: the environment variable ABLATE_CACHE, else `~/.cache/ablate`.

    For a cache at a URI, the folder of this machine's copies.
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
    """Return a folder's key in names of the cache: its path, relative if it is inside the cache.

    Each machine may have its cache elsewhere; `cache / place_key(...)` gives the folder back.
    """
    path, around = Path(folder).resolve(), cache.resolve()
    return path.relative_to(around).as_posix() if path.is_relative_to(around) else str(path)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a path to write to: readers see the old `path` or the new one, whatever is killed or fails meanwhile."""
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")  # machines that share a cache share pids too
    try:
        scratch.touch()  # if nothing may be written, Python's error is clearer than the writer's
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
