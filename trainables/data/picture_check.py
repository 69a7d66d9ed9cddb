"""Whether pictures can be decoded: many at once, in separate processes, so that all bad ones are named together.

Pillow holds the interpreter's lock while it decodes a JPEG: threads would gain nothing.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from ablative.progress import Progress
from ablative.trainables.data.findings import NUM_NAMED
from ablative.trainables.data.pictures import Pictures
from ablative.trainables.errors import DataError
from ablative.trainables.errors import MissingData
from ablative.trainables.errors import UnreadableData

STAGE = "decode pictures"
_BATCH = 50
_FEW = 1000
"""Pictures to decode before further processes start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """The result of decoding a picture."""

    name: str
    size: tuple[int, int] | None = None
    """Width and height; None if it cannot be decoded."""
    fault: str = ""
    """The fault, with the file and the remedy."""
    missing: bool = False
    """The fault is that the picture is missing."""


def looked_at(folder: Path, names: Sequence[str], progress: Progress, workers: int | None = None) -> Iterator[Looked]:
    """Decode pictures of an image folder and yield the result of each, in order.

    `workers`: processes; by default one for each core that this process may use, none for a few pictures.
    """
    for done, found in enumerate(_each(folder, names, workers or _cores()), start=1):
        yield found
        if done % _BATCH == 0 or done == len(names):
            progress(STAGE, done, len(names))


def require_pictures(folder: Path, names: Sequence[str], progress: Progress, *, remedy: str = "") -> None:
    """Raise one error that counts all missing or damaged pictures and names the first.

    Raises:
        MissingData: some are missing, and the others are whole.
        UnreadableData: some cannot be decoded.
    """
    faults = [found for found in looked_at(folder, names, progress) if found.size is None]
    if not faults:
        return
    raises = MissingData if all(found.missing for found in faults) else UnreadableData
    named = "\n".join(f"  {found.fault}" for found in faults[:NUM_NAMED])
    raise raises(
        f"{folder}: {len(faults):,} of {len(names):,} pictures are missing or damaged:\n{named}\n"
        f"Get them again; `ablate data check` lists more of them, and can leave a few out. {remedy}".rstrip()
    )


def _each(folder: Path, names: Sequence[str], workers: int) -> Iterator[Looked]:
    if workers == 1 or len(names) <= _FEW:
        pictures = Pictures(folder)
        yield from (_look(pictures, name) for name in names)
        return
    parts = [names[start : start + _BATCH] for start in range(0, len(names), _BATCH)]
    pool = ProcessPoolExecutor(
        workers,
        mp_context=get_context("spawn"),  # a fork would copy locks that other threads hold
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_IGN),  # Ctrl-C ends the parent, which ends them
    )
    done = 0
    with pool:
        try:
            for found in pool.map(_look_at, [folder] * len(parts), parts):
                yield from found
                done += len(found)
        except BrokenProcessPool as error:
            raise UnreadableData(
                f"{folder}: a process that decoded pictures ended; one of those behind {names[done]} crashes the "
                "decoder or needs more memory than there is. Get these again"
            ) from error


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _look_at(folder: Path, names: Sequence[str]) -> list[Looked]:
    pictures = Pictures(folder)
    return [_look(pictures, name) for name in names]


def _look(pictures: Pictures, name: str) -> Looked:
    try:
        return Looked(name=name, size=pictures.size(name))
    except DataError as error:
        return Looked(name=name, fault=str(error), missing=isinstance(error, MissingData))
