"""Errors that stop a whole command and that the user can fix: a full disk, a folder without write permission."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FULL_WORDS = (*map(os.strerror, _FULL), "disk is full")
_ROOM = 2**20
"""Free bytes below which a disk counts as full, if an error does not name the disk."""
_REMEDIES = {
    errno.EACCES: "give this user the right to it",
    errno.EPERM: "give this user the right to it",
    errno.EISDIR: "a file is needed here; move the folder away",
    errno.ENOTDIR: "a part of this path is a file, not a folder",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.ENOENT: "see whether the path is right",
}
_THERE = (errno.EISDIR, errno.ENAMETOOLONG, errno.EMFILE)
"""Errors that another place would not solve."""


def hindrance(raised: BaseException, cache: Path) -> str | None:
    """Return the error that would fail every trial that reads `cache`, not only this one; None if there is none.

    Causes in the chain of an exception count too, such as a checkpoint's error.
    """
    for error in _chain(raised):
        if is_full(error) or (isinstance(error, OSError) and (error.errno == errno.EROFS or _is_gone(error, cache))):
            return told(error, {"ABLATE_CACHE": cache})
    return None


def is_full(error: BaseException) -> bool:
    """Return whether `error` says that a disk is full; libraries outside Python say so only in words."""
    number = error.errno if isinstance(error, OSError) else None
    return number in _FULL or any(words in str(error) for words in _FULL_WORDS)


def told(error: BaseException, places: Mapping[str, Path]) -> str:
    """Return one line on a failed read or write: path, reason, remedy.

    `places`: the variable or option that names a place -> the place; the line names the innermost one that holds the
    path.
    """
    path = getattr(error, "filename", None)
    if path is None and not _has_working_folder():
        return "the current folder was removed; change to an existing one (cd), then repeat the command"
    if path is None and is_full(error):
        path = next((place for place in places.values() if _free(place) < _ROOM), None)
    where = f"{os.fsdecode(path)}: " if isinstance(path, str | bytes | os.PathLike) else ""
    reason = getattr(error, "strerror", None) or (str(error).strip().splitlines() or [type(error).__name__])[0]
    remedies = [*_remedy(error), *_other_place(error, path, places)]
    return f"{where}{reason}{'; ' if remedies else ''}{', or '.join(remedies)}"


def _remedy(error: BaseException) -> Iterator[str]:
    if is_full(error):
        yield "free some space there"
    elif (number := getattr(error, "errno", None)) in _REMEDIES:
        yield _REMEDIES[number]


def _other_place(error: BaseException, path: object, places: Mapping[str, Path]) -> Iterator[str]:
    if not isinstance(path, str | bytes | os.PathLike) or getattr(error, "errno", None) in _THERE:
        return
    whole = Path(os.fsdecode(path)).absolute()
    holding = [name for name, place in places.items() if whole.is_relative_to(place)]
    if not is_full(error):  # data may lie there too, and its place is no setting
        holding = [name for name in holding if name != "TMPDIR"]
    if holding:
        yield f"name another place with {max(holding, key=lambda name: len(places[name].parts))}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _is_gone(error: OSError, cache: Path) -> bool:
    return error.filename is not None and not cache.is_dir()


def _has_working_folder() -> bool:
    try:
        os.getcwd()
    except OSError:
        return False
    return True


def _free(place: Path) -> float:
    """Return the free bytes on the disk of a place, which need not exist yet."""
    for folder in (place, *place.parents):
        try:
            found = os.statvfs(folder)
        except OSError:
            continue
        return found.f_bavail * found.f_frsize
    return float("inf")
