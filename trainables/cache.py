"""Where generated and computed things are kept between trials."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the cache folder: the environment variable ABLATE_CACHE, else `~/.cache/ablate`. Absolute."""
    named = os.environ.get("ABLATE_CACHE")
    return Path(named).expanduser().absolute() if named else Path.home() / ".cache" / "ablate"


def write_atomically(path: Path, content: str) -> None:
    """Write a text file so that readers, and a process that is killed meanwhile, leave the old or the new one."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(content, encoding="utf-8")
    os.replace(scratch, path)
