"""Where generated and computed things are kept between trials."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_folder() -> Path:
    """Return the cache folder: the environment variable ABLATE_CACHE, else `~/.cache/ablate`. Absolute."""
    named = os.environ.get("ABLATE_CACHE")
    return Path(named).expanduser().absolute() if named else Path.home() / ".cache" / "ablate"


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
