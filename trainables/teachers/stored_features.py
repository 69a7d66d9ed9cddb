"""Features from files that somebody computed elsewhere, read as a teacher.

The files are Parquet or Arrow with the columns `id` (text) and `vector` (a list of numbers, all of one width). Files
of words have a column `word` too, the number of the word in its text, from 0. Vectors are scaled to unit length.

Dimensions: N rows, D width.
"""

from __future__ import annotations

from collections.abc import Hashable
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from ablative.trainables.strangers import parsing
from ablative.trainables.strangers import printable
from ablative.trainables.teachers.errors import TeacherError
from ablative.trainables.teachers.words import Passage
from ablative.trainables.teachers.words import words_of


class StoredFeatures:
    """A teacher that knows pictures by their names and texts word for word."""

    def __init__(self, options: Any) -> None:
        """`options`: those of the teacher `features`. Raises TeacherError for an unusable file."""
        self._images = None if options.images is None else Vectors.read("images", options.images)
        self._texts = None if options.texts is None else Vectors.read("texts", options.texts)
        self._words = None if options.words is None else Vectors.read("words", options.words, of_words=True)
        self.logit_scale = options.logit_scale if options.joint else 1.0
        files = [found for found in (self._images, self._texts, self._words) if found is not None]
        self.width = max((found.width for found in files), default=0)
        for found in files if options.joint else ():
            if found.width != self.width:
                raise TeacherError(
                    f"{found.place}: vectors of {found.width} numbers, and others have {self.width}; files of one "
                    "space have one width: set teacher.features.joint to false, or give files of one model"
                )

    def to(self, place: torch.device) -> StoredFeatures:
        """Return the features themselves: nothing is computed."""
        return self

    def encode_images(self, images: Sequence[str]) -> Tensor:
        """Return (B, D) vectors by the pictures' names. Raises TeacherError for missing names."""
        return _given(self._images, "images").rows(list(images), "pictures", "the picture's name in the data")

    def encode_texts(self, texts: Sequence[str | Passage]) -> Tensor:
        """Return (B, D) vectors by the texts. Raises TeacherError for missing texts."""
        return _given(self._texts, "texts").rows([_text(text) for text in texts], "texts", "the text itself")

    def word_features(self, texts: Sequence[str | Passage]) -> list[Tensor]:
        """Return one (words, D) tensor per text. Raises TeacherError for missing words."""
        file, counts = _given(self._words, "words"), [len(words_of(_text(text))) for text in texts]
        wanted = [(_text(text), i) for text, count in zip(texts, counts, strict=True) for i in range(count)]
        return list(file.rows(wanted, "words", "the text, and word = the number of the word").split(counts))


class Vectors:
    """One file: unit vectors by id."""

    def __init__(self, place: str, keys: Sequence[Hashable], vectors_ND: np.ndarray) -> None:
        self.place = place
        self._vectors_ND = vectors_ND
        self._row_of = {key: row for row, key in enumerate(keys)}

    @property
    def width(self) -> int:
        """D."""
        return int(self._vectors_ND.shape[1])

    @classmethod
    def read(cls, setting: str, path: str, *, of_words: bool = False) -> Vectors:
        """Read a file whole. Raises TeacherError, naming setting, file and row, if it is unusable."""
        place = f"teacher.features.{setting}: {path}"
        table = _table(place, Path(path).expanduser(), ("id", "word", "vector") if of_words else ("id", "vector"))
        ids = _ids(place, table["id"])
        keys: list[Hashable] = list(zip(ids, _numbers(place, table["word"]), strict=True)) if of_words else list(ids)
        _require_distinct(place, keys)
        return cls(place, keys, _unit(place, ids, _matrix(place, ids, table["vector"])))

    def rows(self, keys: Sequence[Hashable], what: str, wanted: str) -> Tensor:
        """Return (B, D) for these keys. Raises TeacherError if some are missing."""
        if missing := list(dict.fromkeys(key for key in keys if key not in self._row_of)):
            more = f" (and {len(missing) - 1:,} more {what} of {len(set(keys)):,})" if len(missing) > 1 else ""
            raise TeacherError(f"{self.place}: no row for {_shown(missing[0])}{more}; add it, with id = {wanted}")
        return torch.from_numpy(self._vectors_ND[[self._row_of[key] for key in keys]])


def _given(file: Vectors | None, setting: str) -> Vectors:
    if file is None:
        raise TeacherError(f"teacher.features.{setting}: no file; give one, or switch off what reads it")
    return file


def _text(text: str | Passage) -> str:
    return text.text if isinstance(text, Passage) else text


def _table(place: str, path: Path, columns: Sequence[str]) -> pa.Table:
    if not path.is_file():
        raise TeacherError(f"{place}: no such file; give the path of a Parquet or Arrow file")
    with parsing(place, "wanted a whole Parquet or Arrow file", TeacherError, passed=TeacherError):
        with path.open("rb") as file:
            start = file.read(6)
        if start[:4] == b"PAR1":
            import pyarrow.parquet as pq

            table = pq.read_table(path)
        elif start == b"ARROW1":
            table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        else:
            raise TeacherError(f"{place}: neither Parquet nor an Arrow file; write it with pyarrow")
        if missing := [name for name in columns if name not in table.column_names]:
            there = ", ".join(printable(name, 40) for name in table.column_names)
            raise TeacherError(f"{place}: no column {missing[0]}; it has {there}; wanted {', '.join(columns)}")
        if not len(table):
            raise TeacherError(f"{place}: no rows; wanted one for each of the data's")
        table = table.select(list(columns))
        table.validate(full=True)
        return table.combine_chunks()


def _ids(place: str, column: pa.ChunkedArray) -> list[str]:
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise TeacherError(f"{place}: column id holds {column.type}; wanted text")
    _require_filled(place, "id", column)
    ids: list[str] = column.to_pylist()
    return ids


def _numbers(place: str, column: pa.ChunkedArray) -> list[int]:
    if not pa.types.is_integer(column.type):
        raise TeacherError(f"{place}: column word holds {column.type}; wanted whole numbers, from 0")
    _require_filled(place, "word", column)
    numbers: list[int] = column.to_pylist()
    return numbers


def _require_filled(place: str, name: str, column: pa.ChunkedArray) -> None:
    if column.null_count:
        row = int(np.argmax(column.is_null().to_numpy()))
        raise TeacherError(f"{place}: row {row + 1}: {name} is empty; fill it, or leave the row out")


def _require_distinct(place: str, keys: Sequence[Hashable]) -> None:
    first: dict[Hashable, int] = {}
    for row, key in enumerate(keys):
        if (other := first.setdefault(key, row)) != row:
            raise TeacherError(f"{place}: row {row + 1}: {_shown(key)} is in row {other + 1} already; keep one")


def _matrix(place: str, ids: Sequence[str], column: pa.ChunkedArray) -> np.ndarray:
    """(N, D) float32."""
    kind = column.type
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    if not any(is_list(kind) for is_list in lists) or not pa.types.is_floating(kind.value_type):
        raise TeacherError(f"{place}: column vector holds {kind}; wanted lists of floating-point numbers")
    _require_filled(place, "vector", column)
    lengths = pc.list_value_length(column).to_numpy()
    if (other := lengths != lengths[0]).any() or not lengths[0]:
        row = int(np.argmax(other))
        raise TeacherError(
            f"{place}: row {row + 1}: the vector of {_shown(ids[row])} has {lengths[row]} numbers, that of row 1 "
            f"{lengths[0]}; wanted equally many, and some"
        )
    flat = pc.list_flatten(column)
    if flat.null_count:
        row = int(np.argmax(flat.is_null().to_numpy())) // int(lengths[0])
        raise TeacherError(
            f"{place}: row {row + 1}: the vector of {_shown(ids[row])} lacks a number; compute it again"
        )
    values: np.ndarray = flat.to_numpy().astype(np.float32).reshape(len(ids), -1)
    return values


def _unit(place: str, ids: Sequence[str], vectors_ND: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        norms_N1 = np.linalg.norm(vectors_ND.astype(np.float64), axis=1, keepdims=True)
    for wrong, what in ((~np.isfinite(norms_N1), "NaN or infinity"), (norms_N1 == 0, "nothing but zeros")):
        if wrong.any():
            row = int(np.argmax(wrong))
            raise TeacherError(
                f"{place}: row {row + 1}: the vector of {_shown(ids[row])} has {what}; compute it again"
            )
    unit: np.ndarray = (vectors_ND / norms_N1).astype(np.float32)
    return unit


def _shown(key: Hashable) -> str:
    if isinstance(key, tuple):
        text, word = key
        return f"word {word} of {printable(str(text), 80)!r}"
    return repr(printable(str(key), 80))
