"""The teacher cache: what a frozen teacher makes of a split, computed once and read by every trial.

`<cache>/teacher_features/<teacher digest>/` holds five tables of unit vectors (float16): `images` by the digest of the
picture, `texts` by text, `words` (isolated) by word, `states` (contextual, one row a word) by text, `left_out` (the
text without that word, one row a word, where a selection asks for it) by text; and `teacher.json` with the joint width
and the logit scale. Only what is missing is computed, a block at a time, so that work which is interrupted goes on.

Dimensions: N examples, D joint width.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from typing import TypeVar

import numpy as np
from filelock import FileLock

from trainables.cache import write_atomically
from trainables.config import TeacherConfig
from trainables.data.examples import Candidate
from trainables.data.examples import Example
from trainables.data.examples import TaskSplit
from trainables.data.pictures import Pictures
from trainables.teachers.digest import teacher_digest
from trainables.teachers.feature_table import FeatureTable
from trainables.teachers.words import Passage
from trainables.teachers.words import passage
from trainables.teachers.words import without_each_word
from trainables.teachers.words import words_of
from trainables.vision.regions import RegionFeatures
from trainables.vision.regions import open_regions

Progress = Callable[[str, int, int], None]
T = TypeVar("T")

BLOCK = 2048
"""Texts or images a shard."""
LEFT_OUT_BLOCK = 256
"""Texts a shard where each is read once for every word."""
BLANK = "blank"


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherHeads:
    """Maps (D, D) of the joint space, one a side, that make of the cached embeddings those of other heads."""

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
    picture_keys: dict[str, str]
    """Image path -> digest of the picture."""
    blank: bool
    width: int
    logit_scale: float
    heads: TeacherHeads | None = None
    """Of an adapted teacher; None for the teacher as it is."""

    def image(self, images: Sequence[str]) -> np.ndarray:
        """(N, D) image embeddings by image path."""
        found = self.images.single([BLANK if self.blank else self.picture_keys[image] for image in images])
        return found if self.heads is None else _mapped(found, self.heads.image)

    def text(self, texts: Sequence[str]) -> np.ndarray:
        """(N, D) sentence embeddings."""
        found = self.texts.single(texts)
        return found if self.heads is None else _mapped(found, self.heads.text)

    def words(self, texts: Sequence[str], kind: str) -> list[np.ndarray]:
        """One (words, D) array a text: `contextual` states, or each word `isolated`."""
        found = self._words(texts, kind)
        return found if self.heads is None else [_mapped(rows, self.heads.text) for rows in found]

    def changes_without(self, texts: Sequence[str]) -> list[np.ndarray]:
        """One (words,) array a text: 1 - cos(sentence, sentence without the word)."""
        sentences = self.text(texts).astype(np.float32)
        rows = self.left_out.rows(texts)
        if self.heads is not None:
            rows = [_mapped(row, self.heads.text) for row in rows]
        return [1 - row.astype(np.float32) @ sentence for row, sentence in zip(rows, sentences, strict=True)]

    def _words(self, texts: Sequence[str], kind: str) -> list[np.ndarray]:
        if kind == "contextual":
            return self.states.rows(texts)
        found = dict.fromkeys(word for text in texts for word in words_of(text))
        vectors = dict(zip(found, self.isolated.single(list(found)), strict=True)) if found else {}
        empty = np.zeros((0, self.width), dtype=np.float16)
        return [np.stack([vectors[w] for w in words]) if (words := words_of(text)) else empty for text in texts]


def _mapped(rows_ND: np.ndarray, head_DD: np.ndarray) -> np.ndarray:
    mapped = rows_ND.astype(np.float32) @ head_DD.T
    length = np.linalg.norm(mapped, axis=-1, keepdims=True)
    return (mapped / np.maximum(length, 1e-12)).astype(rows_ND.dtype)


def features_folder(config: TeacherConfig, cache: Path) -> Path:
    """Where the features of a teacher lie; the shuffled control shares the teacher's own."""
    return cache / "teacher_features" / teacher_digest(config, cache)[:16]


def distilled_candidate(example: Example) -> Candidate:
    """The candidate whose text is distilled: the only one, or the right one in VCR."""
    if len(example.candidates) == 1:
        return example.candidates[0]
    return example.candidates[max(example.targets, key=lambda target: target[1])[0]]


def open_features(config: TeacherConfig, cache: Path, split: TaskSplit) -> TeacherFeatures:
    """Open what `build_features` wrote.

    Raises:
        FileNotFoundError: it has not run for this teacher.
    """
    folder = features_folder(config, cache)
    facts = json.loads((folder / "teacher.json").read_text())
    return TeacherFeatures(
        images=FeatureTable(folder / "images"),
        texts=FeatureTable(folder / "texts"),
        isolated=FeatureTable(folder / "words"),
        states=FeatureTable(folder / "states"),
        left_out=FeatureTable(folder / "left_out"),
        picture_keys=open_regions(cache, split.image_folder).keys,
        blank=config.control == "blank_image",
        width=facts["width"],
        logit_scale=facts["logit_scale"],
    )


def build_features(
    config: TeacherConfig,
    split: TaskSplit,
    cache: Path,
    progress: Progress,
    *,
    words: bool,
    left_out: bool = False,
) -> None:
    """Compute what is missing of a teacher's features of a split; the teacher is loaded only if something is.

    `words`: per-word features too. `left_out`: texts without each of their words too. The region features of the
    split must be there (`build_regions`).
    """
    folder = features_folder(config, cache)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        work = _missing(config, split, open_regions(cache, split.image_folder), folder, words, left_out)
        if not work.any and (folder / "teacher.json").exists():
            return
        from trainables.teachers.openclip import load_teacher

        teacher = load_teacher(config, cache, progress)
        _write_pictures(teacher, work, split, cache, folder, progress)
        _write_texts(teacher, work.texts, folder, progress, words=False)
        _write_texts(teacher, work.states, folder, progress, words=True)
        _write_words(teacher, work.words, folder, progress)
        _write_left_out(teacher, work.left_out, folder, progress)
        facts = {"width": int(teacher.encode_texts(["a"]).shape[1]), "logit_scale": teacher.logit_scale}
        made = json.dumps(facts | {"teacher": config.model_dump()}, indent=2)
        write_atomically(folder / "teacher.json", made + "\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What is still to be computed."""

    pictures: dict[str, str]
    """Digest of a picture -> image path."""
    texts: list[Passage]
    states: list[Passage]
    words: list[str]
    left_out: list[Passage]

    @property
    def any(self) -> bool:
        return bool(self.pictures or self.texts or self.states or self.words or self.left_out)


def _missing(
    config: TeacherConfig, split: TaskSplit, regions: RegionFeatures, folder: Path, words: bool, left_out: bool
) -> _Work:
    passages = {p.text: p for e in split.examples for p in map(passage, e.candidates)}
    distilled = [passage(distilled_candidate(e)).text for e in split.examples] if words or left_out else []
    pictures = {regions.keys[e.image]: e.image for e in split.examples}
    if config.control == "blank_image":
        pictures = {BLANK: ""}
    images = FeatureTable(folder / "images").missing(pictures)
    return _Work(
        pictures={key: pictures[key] for key in images},
        texts=[passages[text] for text in FeatureTable(folder / "texts").missing(passages)],
        states=[passages[text] for text in FeatureTable(folder / "states").missing(distilled if words else [])],
        words=FeatureTable(folder / "words").missing(word for text in distilled for word in words_of(text)),
        left_out=[passages[text] for text in FeatureTable(folder / "left_out").missing(distilled if left_out else [])],
    )


def _write_pictures(
    teacher: Any,
    work: _Work,
    split: TaskSplit,
    cache: Path,
    folder: Path,
    progress: Progress,
) -> None:
    import torch

    regions = open_regions(cache, split.image_folder)
    for keys, done in _blocks(list(work.pictures)):
        images = [work.pictures[key] for key in keys]
        if keys == [BLANK]:
            rows = teacher.encode_blank()
        elif teacher.reads_region_trunk and regions.of_trunk:
            rows = teacher.encode_pooled(torch.from_numpy(regions.whole_images(images)))
        else:
            rows = _encode_files(teacher, Path(split.image_folder), images)
        FeatureTable(folder / "images").add(keys, [row[None] for row in rows.numpy()])
        progress("teacher: images", done, len(work.pictures))


def _encode_files(teacher: Any, folder: Path, images: Sequence[str]) -> Any:
    from PIL import Image

    files, pictures = Pictures(folder), []
    for image in images:
        with Image.open(io.BytesIO(files.read(image))) as picture:
            pictures.append(picture.convert("RGB"))
    return teacher.encode_images(pictures)


def _write_texts(teacher: Any, passages: list[Passage], folder: Path, progress: Progress, *, words: bool) -> None:
    for block, done in _blocks(passages):
        names = [p.text for p in block]
        features = teacher.read(block, with_words=words)
        if words:
            rows = [states.numpy() for states in features.words]
            FeatureTable(folder / "states").add(names, rows)
        else:
            FeatureTable(folder / "texts").add(names, [row[None] for row in features.sentences_BD.numpy()])
        progress("teacher: words in sentences" if words else "teacher: sentences", done, len(passages))


def _write_words(teacher: Any, words: list[str], folder: Path, progress: Progress) -> None:
    for block, done in _blocks(words):
        FeatureTable(folder / "words").add(block, [row[None] for row in teacher.isolated(block).numpy()])
        progress("teacher: words alone", done, len(words))


def _write_left_out(teacher: Any, passages: list[Passage], folder: Path, progress: Progress) -> None:
    for block, done in _blocks(passages, LEFT_OUT_BLOCK):
        shorter = [without_each_word(whole) for whole in block]
        flat = teacher.encode_texts([text for texts in shorter for text in texts]).numpy()
        ends = np.cumsum([len(texts) for texts in shorter])
        FeatureTable(folder / "left_out").add([p.text for p in block], np.split(flat, ends[:-1]))
        progress("teacher: sentences with a word left out", done, len(passages))


def _blocks(values: list[T], size: int = BLOCK) -> Iterator[tuple[list[T], int]]:
    """Blocks of `size`, each with the number of values done after it."""
    for start in range(0, len(values), size):
        block = values[start : start + size]
        yield block, start + len(block)
