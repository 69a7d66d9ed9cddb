"""Features by key on disk: written in whole shards, memory-mapped for reading.

A table is a folder of shards. A shard holds `keys.npy` (uint64), `starts.npy` (int64, keys + 1), `values.npy` (rows x
D, float16 or float32) and `shard.json` (digest of the teacher, SHA-256 of the values). A key owns one row (an
embedding) or several (the words of a sentence).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ablative.trainables.teachers.errors import TeacherError

SHARD_PREFIX = "shard-"
SCRATCH_PREFIX = "building-"
ABANDONED_S = 3600.0
"""A scratch folder this old belongs to a killed process: writing one takes seconds."""


def key_of(name: str) -> int:
    """A 64-bit key; 200,000 names collide with a probability below one in 10^9."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def keys_of(names: Iterable[str]) -> np.ndarray:
    """(N,) uint64."""
    return np.fromiter((key_of(name) for name in names), dtype=np.uint64)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shard:
    keys: np.ndarray
    starts: np.ndarray
    values: np.ndarray


class FeatureTable:
    """All shards of one folder as one mapping from name to rows."""

    def __init__(self, folder: Path, digest: str | None = None) -> None:
        """`digest`: that of the teacher whose features these must be; None accepts any. Raises TeacherError."""
        self.folder = folder
        self._digest = digest
        shards = [_open(part, digest) for part in shard_folders(folder)]
        self._starts = [shard.starts for shard in shards]
        self._values = [shard.values for shard in shards]
        keys = [shard.keys for shard in shards]
        self._shard = np.concatenate([np.full(len(k), i) for i, k in enumerate(keys)]) if keys else np.empty(0, int)
        self._place = np.concatenate([np.arange(len(k)) for k in keys]) if keys else np.empty(0, int)
        flat = np.concatenate(keys) if keys else np.empty(0, np.uint64)
        self._order = np.argsort(flat, kind="stable")
        self._sorted = flat[self._order]

    def __len__(self) -> int:
        return len(self._sorted)

    @property
    def num_rows(self) -> int:
        """Vectors in all shards: one per key, or one per word."""
        return sum(len(values) for values in self._values)

    def missing(self, names: Iterable[str]) -> list[str]:
        """Distinct names that the table lacks, in order."""
        wanted = list(dict.fromkeys(names))
        return [name for name, found in zip(wanted, self._has(keys_of(wanted)), strict=True) if not found]

    def rows(self, names: Sequence[str]) -> list[np.ndarray]:
        """The rows of each name, (n, D) each; a KeyError names the first that is missing."""
        return [self._values[shard][start:stop] for shard, start, stop in self._spans(names)]

    def single(self, names: Sequence[str]) -> np.ndarray:
        """(N, D): the first row of each name; a KeyError names the first that is missing."""
        distinct = list(dict.fromkeys(names))
        place = {name: i for i, name in enumerate(distinct)}
        rows = np.stack([self._values[shard][start] for shard, start, _ in self._spans(distinct)])
        result: np.ndarray = rows[[place[name] for name in names]]
        return result

    def add(self, names: Sequence[str], rows: Sequence[np.ndarray], precision: str = "float16") -> None:
        """Write one more shard, whole or not at all; open the table again to see it.

        If another process wrote a shard with the same names meanwhile, that one stays: it holds the same features.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=self.folder, prefix=SCRATCH_PREFIX))
        try:
            keys = keys_of(names)
            np.save(scratch / "keys.npy", keys)
            np.save(scratch / "starts.npy", np.cumsum([0, *(len(part) for part in rows)]).astype(np.int64))
            np.save(scratch / "values.npy", np.concatenate(rows).astype(precision))
            facts = {"teacher": self._digest, "values": _content_digest(scratch / "values.npy")}
            (scratch / "shard.json").write_text(json.dumps(facts), encoding="utf-8")
            scratch.chmod(0o755)  # the cache may be shared; a scratch folder belongs to its maker alone
            os.rename(scratch, self.folder / f"{SHARD_PREFIX}{hashlib.sha256(keys.tobytes()).hexdigest()[:16]}")
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
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


def shard_folders(folder: Path) -> list[Path]:
    """The shards of a table, in order of name; empty if the table does not exist."""
    return sorted(folder.glob(f"{SHARD_PREFIX}*"))


def verify_shard(shard: Path, digest: str | None) -> None:
    """Read a shard whole. Raises TeacherError if its values differ from those that were written."""
    _open(shard, digest)
    written = _facts(shard).get("values")
    if written not in (None, _content_digest(shard / "values.npy")):
        raise _damaged(shard, "values.npy is not what was written")


def sweep(folder: Path) -> None:
    """Remove the remains of killed writers from a table's folder."""
    for scratch in folder.glob(f"{SCRATCH_PREFIX}*"):
        if time.time() - scratch.stat().st_mtime > ABANDONED_S:
            shutil.rmtree(scratch, ignore_errors=True)


def _open(folder: Path, digest: str | None) -> _Shard:
    try:
        found = _facts(folder).get("teacher")
        keys, starts = np.load(folder / "keys.npy"), np.load(folder / "starts.npy")
        values = np.asarray(np.load(folder / "values.npy", mmap_mode="r"))  # plain: a view of it costs a fifth
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(folder, str(error)) from error
    if digest and found not in (None, digest):
        raise TeacherError(f"{folder}: features of teacher {found}, wanted those of {digest}; remove this folder")
    if len(starts) != len(keys) + 1 or starts[-1] != len(values):
        raise _damaged(folder, f"{len(keys)} keys, {len(starts)} starts and {len(values)} rows do not fit")
    return _Shard(keys=keys, starts=starts, values=values)


def _facts(folder: Path) -> dict[str, str]:
    """The contents of `shard.json`; empty for a shard from before there was one."""
    path = folder / "shard.json"
    found: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def _content_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _damaged(folder: Path, reason: str) -> TeacherError:
    return TeacherError(
        f"{folder}: damaged ({reason}); remove this folder, and `ablate teacher cache STUDY` computes it again"
    )
