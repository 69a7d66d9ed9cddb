"""The tokens of large splits, made once and memory-mapped by every trial: encoding VCR's texts takes nine minutes.

Below `<cache>/tokens/<digest of place, split and encoding>/`: `tokens-0000.arrow`, ... of `PER_FILE` examples each,
with a row an example. Tokens are found by the digest of an example's own texts. So low-shot subsets read the files of
the whole split, and tokens of other texts are never read, even after the data changed. Each file is written whole, so
an interrupted preparation keeps its finished files. Imports no torch.

Dimensions: N examples, C candidates an example, T tokens.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from ablative.progress import Progress
from ablative.trainables.cache import place_key
from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.tables import read_table
from ablative.trainables.data.tables import write_table
from ablative.trainables.file_digests import file_digests
from ablative.trainables.parts.task import Task
from ablative.trainables.students.tokens import EMPTY_TOKEN
from ablative.trainables.students.tokens import TokenArrays
from ablative.trainables.students.tokens import encode

KEPT = 10_000
"""Examples of a split whose tokens are not stored: encoding takes a few seconds, and they stay for the next trial."""
PER_FILE = 5_000
FOLDER = "tokens"
VERSION = 1
"""Raised when `encode` makes other tokens from the same texts, so that no old ones are read."""
_KEY_BYTES = 16
_CHECKSUM = b"checksum"
_SCHEMA = pa.schema(
    {
        "key": pa.binary(_KEY_BYTES),
        "lengths": pa.list_(pa.int32()),
        "num_words": pa.list_(pa.int32()),
        "tokens": pa.large_list(pa.int32()),
    }
)
"""`lengths` and `num_words`: of each candidate; `tokens`: id, segment, reference and word of one token after the
other, the candidates' end to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    keys: tuple[bytes, ...]
    starts: np.ndarray
    """(examples, C) first token of each candidate."""
    lengths: np.ndarray
    """(examples, C)."""
    num_words: np.ndarray
    """(examples, C)."""
    tokens_T4: np.ndarray
    """Memory-mapped."""


class StoredTokens:
    """The tokens of a split's candidates, the candidates of an example side by side."""

    def __init__(self, files: Sequence[_File], places: Sequence[tuple[int, int]]) -> None:
        """`places`: the file and row of each example."""
        self._tokens = [file.tokens_T4 for file in files]
        number, row = np.array(places, dtype=np.int64).reshape(-1, 2).T
        facts_3NC = np.zeros((3, len(places), files[0].lengths.shape[1]), dtype=np.int64)
        for place in np.unique(number):
            here, file = number == place, files[place]
            for fact_NC, of_file in zip(facts_3NC, (file.starts, file.lengths, file.num_words), strict=True):
                fact_NC[here] = of_file[row[here]]
        self._file = np.repeat(number, facts_3NC.shape[2])
        self._starts, self._lengths, self._num_words = facts_3NC.reshape(3, -1)

    @property
    def lengths(self) -> np.ndarray:
        """(N * C,) tokens of each candidate."""
        return self._lengths

    def rows(self, rows: np.ndarray) -> TokenArrays:
        """Return the candidates at `rows`, padded to the longest of them."""
        lengths = self._lengths[rows]
        padded = np.empty((len(rows), int(lengths.max()), len(EMPTY_TOKEN)), dtype=np.int32)
        padded[:] = EMPTY_TOKEN
        for into, file, start, length in zip(padded, self._file[rows], self._starts[rows], lengths, strict=True):
            into[:length] = self._tokens[file][start : start + length]
        ids, segments, references, words = np.moveaxis(padded, 2, 0)
        num_words = self._num_words[rows].astype(np.int32)
        return TokenArrays(ids=ids, segments=segments, references=references, words=words, num_words=num_words)


def build_tokens(split: TaskSplit, max_tokens: int, vocabulary: str | None, cache: Path, progress: Progress) -> None:
    """Store the missing tokens of a split as `encode` makes them; damaged files are made again.

    The caller holds the cache's lock. Raises VocabularyError.
    """
    folder = _folder(split, max_tokens, vocabulary, cache)
    folder.mkdir(parents=True, exist_ok=True)
    for unfinished in folder.glob(".*.arrow.*"):  # from a killed preparation: we hold its lock
        unfinished.unlink()
    total = len(split.examples)
    for number, start in enumerate(range(0, total, PER_FILE)):
        examples = split.examples[start : start + PER_FILE]
        path, keys = _path(folder, number), [_key(example) for example in examples]
        if not _is_whole(path, keys):
            write_table(path, _table(examples, keys, max_tokens, vocabulary))
            progress(f"tokens of {split.task.name} {split.split}", start + len(examples), total)
    for beyond in _paths(folder)[-(-total // PER_FILE) :]:  # from a longer split, before the data changed
        beyond.unlink()


def open_tokens(split: TaskSplit, max_tokens: int, vocabulary: str | None, cache: Path) -> StoredTokens | None:
    """Return the stored tokens of a split or subset; None unless those of every example are stored."""
    folder = _folder(split, max_tokens, vocabulary, cache)
    files = [file for path in _paths(folder) if (file := _read(path)) is not None]
    if not files or any(file.lengths.shape[1] != len(split.examples[0].candidates) for file in files):
        return None
    known = {key: (number, row) for number, file in enumerate(files) for row, key in enumerate(file.keys)}
    places = [known.get(_key(example)) for example in split.examples]
    found = [place for place in places if place is not None]
    return StoredTokens(files, found) if len(found) == len(places) else None


def _folder(split: TaskSplit, max_tokens: int, vocabulary: str | None, cache: Path) -> Path:
    return tokens_folder(split.task, split.image_folder, split.split, max_tokens, vocabulary, cache)


def tokens_folder(
    task: Task, image_folder: str, split: str, max_tokens: int, vocabulary: str | None, cache: Path
) -> Path:
    """Return where the cache keeps the tokens of a split."""
    pieces = file_digests([Path(vocabulary).expanduser()], cache)[0] if vocabulary else ""
    place = [place_key(image_folder, cache), task.name, task.changes, split]
    content = json.dumps([VERSION, place, max_tokens, pieces], sort_keys=True)
    return cache / FOLDER / hashlib.sha256(content.encode()).hexdigest()[:16]


def _path(folder: Path, number: int) -> Path:
    return folder / f"tokens-{number:04d}.arrow"


def _paths(folder: Path) -> list[Path]:
    return sorted(folder.glob("tokens-*.arrow"))


def _key(example: Example) -> bytes:
    """Return a digest of everything that `encode` reads from an example."""
    read = [
        (c.query.text, c.query.references, c.response and (c.response.text, c.response.references), c.response_segment)
        for c in example.candidates
    ]
    return hashlib.blake2b(repr(read).encode("utf-8", "surrogatepass"), digest_size=_KEY_BYTES).digest()


def _table(examples: Sequence[Example], keys: list[bytes], max_tokens: int, vocabulary: str | None) -> pa.Table:
    encoded = encode([c for example in examples for c in example.candidates], max_tokens, vocabulary)
    num_candidates = len(examples[0].candidates)
    lengths = encoded.lengths.astype(np.int32)
    tokens_NL4 = np.stack([encoded.ids, encoded.segments, encoded.references, encoded.words], axis=2)
    flat = tokens_NL4[np.arange(tokens_NL4.shape[1]) < lengths[:, None]].reshape(-1)
    ends = np.cumsum(lengths.reshape(-1, num_candidates).sum(axis=1, dtype=np.int64)) * len(EMPTY_TOKEN)
    per_example = pa.array(np.arange(len(examples) + 1) * num_candidates, pa.int32())
    columns = [
        pa.array(keys, pa.binary(_KEY_BYTES)),
        pa.ListArray.from_arrays(per_example, pa.array(lengths)),
        pa.ListArray.from_arrays(per_example, pa.array(encoded.num_words)),
        pa.LargeListArray.from_arrays(pa.array(np.concatenate([[0], ends]), pa.int64()), pa.array(flat)),
    ]
    checksum = str(zlib.crc32(flat.tobytes())).encode()
    return pa.table(columns, schema=_SCHEMA.with_metadata({_CHECKSUM: checksum}))


def _is_whole(path: Path, keys: list[bytes]) -> bool:
    found = _read(path)
    if found is None or list(found.keys) != keys:
        return False
    metadata = pa.ipc.open_file(pa.memory_map(str(path))).schema.metadata or {}
    return metadata.get(_CHECKSUM) == str(zlib.crc32(found.tokens_T4.tobytes())).encode()


def _read(path: Path) -> _File | None:
    table = read_table(path, _SCHEMA)
    if table is None or not len(table) or table["key"].num_chunks != 1:  # it was written as one
        return None
    keys, lengths, num_words, tokens = (column.chunk(0) for column in table.columns)
    lengths_NC = lengths.values.to_numpy().reshape(len(table), -1)
    ends = np.cumsum(lengths_NC.reshape(-1), dtype=np.int64)
    tokens_T4 = tokens.values.to_numpy(zero_copy_only=True).reshape(-1, len(EMPTY_TOKEN))
    if len(tokens_T4) != ends[-1]:
        return None
    return _File(
        keys=tuple(keys.to_pylist()),
        starts=(ends - lengths_NC.reshape(-1)).reshape(lengths_NC.shape),
        lengths=lengths_NC,
        num_words=num_words.values.to_numpy().reshape(lengths_NC.shape),
        tokens_T4=tokens_T4,
    )
