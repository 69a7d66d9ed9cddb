"""The teacher cache: a frozen teacher's features of a split, computed once and read by every trial.

`<cache>/teacher_features/<teacher digest>/` holds tables of unit vectors (float16, or float32 by `teacher.precision`),
and `teacher.json` with the joint width, the logit scale and the whole digest.

- `images` and, if asked for, `patches`: by the digest of the picture; by its name if the teacher looks at no pictures.
- `regions`: one row per region, by the picture and its boxes; zeros where the teacher sees nothing of a region.
- `texts`: by text.
- `words`: isolated, by word.
- `states`: contextual, one row a word, by text.
- `left_out`: the text without one word, one row a word, by text; if a selection asks for it.

This file reads the tables; `feature_blocks` computes the missing features.

Dimensions: N examples, P patches, R regions without the whole image, D joint width.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import overload

import numpy as np

from ablative.trainables.config import TeacherConfig
from ablative.trainables.data.examples import Candidate
from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.manifest import known_digests
from ablative.trainables.teachers.digest import teacher_digest
from ablative.trainables.teachers.errors import TeacherError
from ablative.trainables.teachers.feature_table import FeatureTable
from ablative.trainables.teachers.tables import TABLES
from ablative.trainables.teachers.words import words_of

if TYPE_CHECKING:
    from ablative.trainables.vision.regions import RegionFeatures

FEATURES = "teacher_features"
"""Folder of all teachers in the cache."""
FACTS = "teacher.json"
BLANK = "blank"
"""Name of the blank picture in the table of images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherHeads:
    """Maps (D, D) of the joint space, one per side, from the cached embeddings to those of other heads."""

    image: np.ndarray
    text: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherFeatures:
    """Reads the features of one teacher, for the images of one folder."""

    images: FeatureTable
    texts: FeatureTable
    isolated: FeatureTable
    states: FeatureTable
    left_out: FeatureTable
    patch_table: FeatureTable
    region_table: FeatureTable
    picture_keys: Mapping[str, str]
    """Image path -> the name that its features are kept under."""
    blank: bool
    width: int
    """D. If the two sides of a teacher differ in width, D is the wider one.

    Vectors of the other side get zeros at their end, which leaves their lengths and cosines as they are.
    """
    logit_scale: float
    heads: TeacherHeads | None = None
    """The maps of an adapted teacher; None for the teacher as published."""

    def image(self, images: Sequence[str]) -> np.ndarray:
        """(N, D) image embeddings by image path."""
        found = self._widened(self.images.single(self._keys(images)))
        return found if self.heads is None else _mapped(found, self.heads.image)

    def patches(self, images: Sequence[str]) -> list[np.ndarray]:
        """One (P, D) array per image: its patches row by row, through the head of the image tower."""
        found = self.patch_table.rows(self._keys(images))
        return found if self.heads is None else [_mapped(rows, self.heads.image) for rows in found]

    def regions(self, images: Sequence[str], seen: RegionFeatures) -> Sequence[np.ndarray]:
        """One (R, D) array an image: the regions that a student has of it, read when they are asked for."""
        found = self.region_table.rows([region_key(self.picture_key(image), seen.boxes(image)) for image in images])
        heads = self.heads
        return found if heads is None else _Read(found, lambda rows: _mapped(rows, heads.image))

    def _keys(self, images: Sequence[str]) -> list[str]:
        return [self.picture_key(image) for image in images]

    def picture_key(self, image: str) -> str:
        """Return the name that the features of an image's picture are kept under."""
        return BLANK if self.blank else self.picture_keys[image]

    def text(self, texts: Sequence[str]) -> np.ndarray:
        """(N, D) sentence embeddings."""
        found = self._widened(self.texts.single(texts))
        return found if self.heads is None else _mapped(found, self.heads.text)

    def words(self, texts: Sequence[str], kind: str) -> Sequence[np.ndarray]:
        """One (words, D) array per text, read on access: `contextual` states, or each word `isolated`."""
        if kind == "contextual":
            found, heads = self.states.rows(texts), self.heads
            if heads is not None:
                return _Read(found, lambda rows: _mapped(rows, heads.text))
            return found if all(rows.shape[-1] == self.width for rows in found[:1]) else _Read(found, self._widened)
        words = [words_of(text) for text in texts]
        place = {word: number for number, word in enumerate(dict.fromkeys(chain.from_iterable(words)))}
        vectors_VD = self._alone(list(place))
        ids = [np.array([place[word] for word in group], dtype=np.int32) for group in words]
        return _Read(ids, vectors_VD.__getitem__)

    def changes_without(self, texts: Sequence[str]) -> list[np.ndarray]:
        """One (words,) array per text: 1 - cos(sentence, sentence without the word)."""
        sentences = self.text(texts).astype(np.float32)
        rows = [self._widened(row) for row in self.left_out.rows(texts)]
        if self.heads is not None:
            rows = [_mapped(row, self.heads.text) for row in rows]
        return [1 - row.astype(np.float32) @ sentence for row, sentence in zip(rows, sentences, strict=True)]

    def _widened(self, rows_ND: np.ndarray) -> np.ndarray:
        missing = self.width - rows_ND.shape[-1]
        return rows_ND if missing == 0 else np.pad(rows_ND, ((0, 0), (0, missing)))

    def _alone(self, words: Sequence[str]) -> np.ndarray:
        """(V, D) embeddings of words encoded alone."""
        if not words:
            return np.zeros((0, self.width), dtype=np.float16)
        found = self._widened(self.isolated.single(words))
        return found if self.heads is None else _mapped(found, self.heads.text)


def region_key(picture: str, boxes_R4: np.ndarray) -> str:
    """Return the name of an image's regions, of the name of its picture."""
    return f"{picture}/{hashlib.sha256(boxes_R4.astype(np.float32).tobytes()).hexdigest()[:16]}"


class _Read(Sequence[np.ndarray]):
    """Arrays that are made on access, each from its own part."""

    def __init__(self, parts: Sequence[np.ndarray], read: Callable[[np.ndarray], np.ndarray]) -> None:
        self._parts = parts
        self._read = read

    def __len__(self) -> int:
        return len(self._parts)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[np.ndarray]: ...
    def __getitem__(self, index: int | slice) -> np.ndarray | Sequence[np.ndarray]:
        if isinstance(index, slice):
            return _Read(self._parts[index], self._read)
        return self._read(self._parts[index])


def _mapped(rows_ND: np.ndarray, head_DD: np.ndarray) -> np.ndarray:
    mapped = rows_ND.astype(np.float32) @ head_DD.T
    length = np.linalg.norm(mapped, axis=-1, keepdims=True)
    return (mapped / np.maximum(length, 1e-12)).astype(rows_ND.dtype)


def features_folder(config: TeacherConfig, cache: Path) -> Path:
    """The folder with a teacher's features; the shuffled control shares the teacher's own."""
    return cache / FEATURES / teacher_digest(config, cache)[:16]


def distilled_candidate(example: Example) -> Candidate:
    """The candidate whose text is distilled: the only one, or the right one in VCR."""
    if len(example.candidates) == 1:
        return example.candidates[0]
    return example.candidates[max(example.targets, key=lambda target: target[1])[0]]


def open_features(config: TeacherConfig, cache: Path, split: TaskSplit) -> TeacherFeatures:
    """Open a teacher's computed features (`trainables.teachers.feature_blocks`).

    Raises:
        TeacherError: there are none, or they belong to another teacher or are damaged.
    """
    folder, facts = features_folder(config, cache), read_facts(config, cache)
    digest = teacher_digest(config, cache)
    table = {name: FeatureTable(folder / name, digest) for name in TABLES}
    return TeacherFeatures(
        images=table["images"],
        texts=table["texts"],
        isolated=table["words"],
        states=table["states"],
        left_out=table["left_out"],
        patch_table=table["patches"],
        region_table=table["regions"],
        picture_keys=known_digests(split.image_folder, cache) if config.part.live else _by_name(split),
        blank=config.control == "blank_image",
        width=facts["width"],
        logit_scale=facts["logit_scale"],
    )


def _by_name(split: TaskSplit) -> dict[str, str]:
    return {example.image: example.image for example in split.examples}


def read_facts(config: TeacherConfig, cache: Path) -> dict[str, Any]:
    """The contents of `teacher.json`: `width`, `logit_scale`, `digest` and the teacher's configuration, `teacher`.

    Raises:
        TeacherError: it is missing, or describes another teacher.
    """
    path, digest = features_folder(config, cache) / FACTS, teacher_digest(config, cache)
    if not path.exists():
        raise TeacherError(f"{path.parent}: no features of {config.model}; `ablate teacher cache STUDY` computes them")
    facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if facts.get("digest", digest) != digest:  # files of earlier versions lack it
        raise TeacherError(f"{path}: teacher {facts['digest']}, wanted {digest}; remove {path.parent}")
    return facts
