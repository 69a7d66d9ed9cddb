"""Features by key on disk: written in whole shards, memory-mapped to read.

A table is a folder of shards; a shard holds `keys.npy` (uint64), `starts.npy` (int64, keys + 1) and `values.npy`
(float16, rows x D). A key owns one row (an embedding) or several (the words of a sentence).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from collections.abc import Sequence
from pathlib import Path

import numpy as np

SHARD_PREFIX = "shard-"


def key_of(name: str) -> int:
    """A 64-bit key; 200,000 names collide with a probability below one in 10^9."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def keys_of(names: Iterable[str]) -> np.ndarray:
    """(N,) uint64."""
    return np.fromiter((key_of(name) for name in names), dtype=np.uint64)


class FeatureTable:
    """All shards of one folder as one mapping from name to rows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        names = sorted(part.name for part in folder.glob(f"{SHARD_PREFIX}*")) if folder.is_dir() else []
        self._starts = [np.load(folder / name / "starts.npy") for name in names]
        self._values = [np.load(folder / name / "values.npy", mmap_mode="r") for name in names]
        keys = [np.load(folder / name / "keys.npy") for name in names]
        self._shard = np.concatenate([np.full(len(k), i) for i, k in enumerate(keys)]) if keys else np.empty(0, int)
        self._place = np.concatenate([np.arange(len(k)) for k in keys]) if keys else np.empty(0, int)
        flat = np.concatenate(keys) if keys else np.empty(0, np.uint64)
        self._order = np.argsort(flat, kind="stable")
        self._sorted = flat[self._order]

    def __len__(self) -> int:
        return len(self._sorted)

    def missing(self, names: Iterable[str]) -> list[str]:
        """Distinct names that the table lacks, in order."""
        wanted = list(dict.fromkeys(names))
        return [name for name, found in zip(wanted, self._has(keys_of(wanted)), strict=True) if not found]

    def rows(self, names: Sequence[str]) -> list[np.ndarray]:
        """The rows of each name, (n, D) float16 each; a KeyError names the first that is missing."""
        return [self._values[shard][start:stop] for shard, start, stop in self._spans(names)]

    def single(self, names: Sequence[str]) -> np.ndarray:
        """(N, D) float16: the first row of each name; a KeyError names the first that is missing."""
        distinct = list(dict.fromkeys(names))
        place = {name: i for i, name in enumerate(distinct)}
        rows = np.stack([self._values[shard][start] for shard, start, _ in self._spans(distinct)])
        result: np.ndarray = rows[[place[name] for name in names]]
        return result

    def add(self, names: Sequence[str], rows: Sequence[np.ndarray]) -> None:
        """Write one more shard, whole or not at all; the table itself must be opened anew to see it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=self.folder, prefix="building-"))
        try:
            keys = keys_of(names)
            np.save(scratch / "keys.npy", keys)
            np.save(scratch / "starts.npy", np.cumsum([0, *(len(part) for part in rows)]).astype(np.int64))
            np.save(scratch / "values.npy", np.concatenate(rows).astype(np.float16))
            os.rename(scratch, self.folder / f"{SHARD_PREFIX}{hashlib.sha256(keys.tobytes()).hexdigest()[:16]}")
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _positions(self, keys: np.ndarray) -> np.ndarray:
        return np.searchsorted(self._sorted, keys).clip(0, max(0, len(self._sorted) - 1))

    def _has(self, keys: np.ndarray) -> np.ndarray:
        if not len(self._sorted):
            return np.zeros(len(keys), dtype=bool)
        found: np.ndarray = self._sorted[self._positions(keys)] == keys
        return found

    def _spans(self, names: Sequence[str]) -> list[tuple[int, int, int]]:
        keys = keys_of(names)
        found = self._has(keys)
        if not found.all():
            raise KeyError(f"{self.folder.name}: no features of {names[int(np.argmin(found))]!r}")
        at = self._order[self._positions(keys)]
        spans = []
        for shard, place in zip(self._shard[at], self._place[at], strict=True):
            starts = self._starts[shard]
            spans.append((int(shard), int(starts[place]), int(starts[place + 1])))
        return spans
