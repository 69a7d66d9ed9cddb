"""The missing features of a teacher, cut into blocks that can be computed anywhere, in any order.

A block is a value. It travels to another process or machine, which loads the teacher once and writes one shard, whole
or not at all. So killed work continues where it stopped, and two processes may compute the same block without harm.
Imports no torch before a block is computed.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from ablative.progress import silent
from ablative.trainables.cache import place_key
from ablative.trainables.cache import write_atomically
from ablative.trainables.config import TeacherConfig
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.manifest import images_of
from ablative.trainables.data.manifest import picture_digests
from ablative.trainables.data.picture_check import require_pictures
from ablative.trainables.parts.teacher import LoadedTeacher
from ablative.trainables.teachers.digest import teacher_digest
from ablative.trainables.teachers.feature_cache import BLANK
from ablative.trainables.teachers.feature_cache import FACTS
from ablative.trainables.teachers.feature_cache import distilled_candidate
from ablative.trainables.teachers.feature_cache import features_folder
from ablative.trainables.teachers.feature_cache import read_facts
from ablative.trainables.teachers.feature_cache import region_key
from ablative.trainables.teachers.feature_table import FeatureTable
from ablative.trainables.teachers.feature_table import sweep
from ablative.trainables.teachers.needs import require_tables
from ablative.trainables.teachers.tables import TABLES
from ablative.trainables.teachers.tables import Table
from ablative.trainables.teachers.words import Passage
from ablative.trainables.teachers.words import passage
from ablative.trainables.teachers.words import without_each_word
from ablative.trainables.teachers.words import words_of
from ablative.trainables.vision.regions import open_regions

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image
    from torch import Tensor


BLOCK_SIZE: dict[Table, int] = {
    "images": 512,
    "patches": 256,
    "regions": 256,
    "texts": 2048,
    "states": 2048,
    "words": 2048,
    "left_out": 256,
}
"""Names in a shard: the most work that an interruption loses."""
LEAST_BLOCKS, LEAST_SIZE = 16, 64
"""A small table still has this many blocks, each with at least as many names as the next constant."""
_GREY = (127, 127, 127)
LOOKS = "A teacher looks at the pictures themselves, not at region features."
STAGES: dict[Table, str] = {
    "images": "teacher: images",
    "patches": "teacher: patches of images",
    "regions": "teacher: regions of images",
    "texts": "teacher: sentences",
    "states": "teacher: words in sentences",
    "words": "teacher: words alone",
    "left_out": "teacher: sentences with a word left out",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureBlock:
    """A shard to compute: what to read, and the names for its features."""

    teacher: TeacherConfig
    table: Table
    names: tuple[str, ...]
    sources: tuple[Any, ...]
    """Image paths, (image path, name of its picture), passages or words, one per name."""
    image_folder: str
    """The image folder by its `place_key`; another machine may have the cache elsewhere."""

    @property
    def stage(self) -> str:
        """The block's name for people."""
        return STAGES[self.table]

    @property
    def size(self) -> int:
        """Number of its names."""
        return len(self.names)

    @property
    def images(self) -> tuple[str, ...]:
        """Images at whose pictures the teacher looks."""
        looks = self.table in ("images", "patches", "regions") and self.teacher.part.live
        if not looks or self.teacher.control == "blank_image":
            return ()
        return tuple(image for image, _ in self.sources) if self.table == "regions" else self.sources

    @property
    def work(self) -> float:
        """Size, as a share of a whole block."""
        return len(self.names) / BLOCK_SIZE[self.table]


Part = tuple[TaskSplit, Collection[Table]]
"""A split, and the tables that must cover it."""


def missing_blocks(config: TeacherConfig, parts: Sequence[Part], cache: Path) -> list[FeatureBlock]:
    """The features of some splits that a teacher's tables lack, in blocks, each name once.

    Also removes the remains of killed writers.

    Raises:
        MissingData: a picture is missing.
        TeacherError: a shard is damaged or belongs to another teacher, or the teacher cannot give what a table needs.
    """
    folder, digest = features_folder(config, cache), teacher_digest(config, cache)
    blocks: list[FeatureBlock] = []
    require_tables(config, {table for _, tables in parts for table in tables})
    for table in TABLES:
        sweep(folder / table)
        stored, planned = FeatureTable(folder / table, digest), set[str]()
        for split in (split for split, tables in parts if table in tables):
            sources = _sources(table, config, split, cache)
            names = [name for name in stored.missing(sources) if name not in planned]
            planned.update(names)
            if names:
                blocks += _cut(
                    config, place_key(split.image_folder, cache), table, {name: sources[name] for name in names}
                )
    if parts and not blocks and not (folder / FACTS).exists():
        blocks += _cut(config, place_key(parts[0][0].image_folder, cache), "words", {})
    return blocks


def _cut(config: TeacherConfig, image_folder: str, table: Table, sources: dict[str, Any]) -> list[FeatureBlock]:
    """Blocks for these names; without names one empty block, which writes the facts alone.

    Little work is cut finer, because somebody waits for it and watches its progress.
    """
    names = list(sources)
    size = min(BLOCK_SIZE[table], max(LEAST_SIZE, -(-len(names) // LEAST_BLOCKS)))
    return [
        FeatureBlock(
            teacher=config,
            table=table,
            names=tuple(names[start : start + size]),
            sources=tuple(sources[name] for name in names[start : start + size]),
            image_folder=image_folder,
        )
        for start in range(0, max(1, len(names)), size)
    ]


def _sources(table: Table, config: TeacherConfig, split: TaskSplit, cache: Path) -> dict[str, Any]:
    """Name in the table -> the teacher's input, for everything that the split needs."""
    if table == "regions":
        regions = open_regions(cache, split.image_folder)
        pictures = {image: picture for picture, image in _sources("images", config, split, cache).items()}
        keys = {image: pictures.get(image, BLANK) for image in images_of(split)}
        return {region_key(key, regions.boxes(image)): (image, key) for image, key in keys.items()}
    if table in ("images", "patches"):
        if config.control == "blank_image":
            return {BLANK: ""}
        if not config.part.live:
            return {image: image for image in images_of(split)}
        digests = picture_digests(split, cache, silent)
        missing = [image for image in images_of(split) if image not in digests]
        require_pictures(Path(split.image_folder), missing, silent, remedy=LOOKS)
        return {digest: image for image, digest in digests.items()}
    if table == "texts":
        return {p.text: p for example in split.examples for p in map(passage, example.candidates)}
    distilled = {p.text: p for p in (passage(distilled_candidate(example)) for example in split.examples)}
    return distilled if table != "words" else {word: word for text in distilled for word in words_of(text)}


def compute_block(block: FeatureBlock, cache: Path) -> None:
    """Compute a block's features and write its shard; the process keeps the teacher for its next block.

    Raises:
        TeacherError: the teacher cannot be loaded.
    """
    teacher = _loaded(block.teacher, cache)
    folder, digest = features_folder(block.teacher, cache), teacher_digest(block.teacher, cache)
    _write_facts(block.teacher, teacher, cache)
    if block.names:
        rows = _ROWS[block.table](teacher, block, cache)
        FeatureTable(folder / block.table, digest).add(block.names, rows, block.teacher.precision)


def release_teacher() -> None:
    """Release the teacher that this process keeps."""
    _loaded.cache_clear()


@functools.lru_cache(maxsize=1)
def _loaded(config: TeacherConfig, cache: Path) -> LoadedTeacher:
    from ablative.trainables.teachers.loading import load_teacher
    from ablative.trainables.training.devices import current_device

    loaded: LoadedTeacher = load_teacher(config, cache).to(current_device())
    return loaded


def _write_facts(config: TeacherConfig, teacher: LoadedTeacher, cache: Path) -> None:
    folder = features_folder(config, cache)
    if (folder / FACTS).exists():
        read_facts(config, cache)
        return
    folder.mkdir(parents=True, exist_ok=True)
    facts = {
        "width": teacher.width,
        "logit_scale": teacher.logit_scale,
        "digest": teacher_digest(config, cache),
        "teacher": config.model_dump(),
    }
    write_atomically(folder / FACTS, json.dumps(facts, indent=2) + "\n")


def _image_rows(teacher: LoadedTeacher, block: FeatureBlock, cache: Path) -> list[np.ndarray]:
    """Embeddings from region features if these determine them to the wanted precision, else from pictures."""
    if not block.teacher.part.live:
        rows = teacher.encode_images(block.sources)
    elif (pooled := _pooled(teacher, block, cache)) is not None:
        rows = pooled
    else:
        rows = teacher.encode_images(_pictures(block, cache))
    return [row[None] for row in rows.numpy()]


def _pooled(teacher: Any, block: FeatureBlock, cache: Path) -> Tensor | None:
    """The embeddings that the region features determine; None if they do not, or not to the wanted precision."""
    if not getattr(teacher, "reads_region_trunk", False) or block.teacher.precision != "float16":
        return None
    import torch

    regions = open_regions(cache, str(cache / block.image_folder))
    if block.names == (BLANK,) or not regions.of_trunk:
        return None
    rows: Tensor = teacher.encode_pooled(torch.from_numpy(regions.whole_images(block.sources)))
    return rows


def _patch_rows(teacher: LoadedTeacher, block: FeatureBlock, cache: Path) -> list[np.ndarray]:
    return [rows.numpy() for rows in teacher.encode_patches(_pictures(block, cache))]


def _region_rows(teacher: LoadedTeacher, block: FeatureBlock, cache: Path) -> list[np.ndarray]:
    from ablative.trainables.teachers.region_features import of_regions

    regions = open_regions(cache, str(cache / block.image_folder))
    boxes = [regions.boxes(image) for image, _ in block.sources]
    if block.teacher.control == "blank_image":
        return of_regions(teacher, [blank_picture()] * len(boxes), boxes)
    return of_regions(teacher, _opened(block.sources, block, cache), boxes)


def blank_picture() -> Image.Image:
    """Return the uniformly grey picture of the control `blank_image`."""
    from PIL import Image

    return Image.new("RGB", (224, 224), _GREY)


def _pictures(block: FeatureBlock, cache: Path) -> list[Image.Image]:
    if block.names == (BLANK,):
        return [blank_picture()]
    return _opened(zip(block.sources, block.names, strict=True), block, cache)


def _opened(pictures: Iterable[tuple[str, str]], block: FeatureBlock, cache: Path) -> list[Image.Image]:
    """Pictures of (image path, digest)."""
    from ablative.trainables.data.pictures import Pictures

    files = Pictures(cache / block.image_folder)
    return [files.picture(image, digest) for image, digest in pictures]


def _text_rows(teacher: LoadedTeacher, block: FeatureBlock, _: Path) -> list[np.ndarray]:
    return [row[None] for row in teacher.encode_texts(_passages(block)).numpy()]


def _state_rows(teacher: LoadedTeacher, block: FeatureBlock, _: Path) -> list[np.ndarray]:
    return [rows.numpy() for rows in teacher.word_features(_passages(block))]


def _word_rows(teacher: LoadedTeacher, block: FeatureBlock, _: Path) -> list[np.ndarray]:
    return [row[None] for row in teacher.encode_texts(block.sources).numpy()]


def _left_out_rows(teacher: LoadedTeacher, block: FeatureBlock, _: Path) -> list[np.ndarray]:
    shorter = [without_each_word(whole) for whole in _passages(block)]
    rows = teacher.encode_texts([text for texts in shorter for text in texts])
    return [part.numpy() for part in rows.split([len(texts) for texts in shorter])]


def _passages(block: FeatureBlock) -> Sequence[Passage]:
    return block.sources


_ROWS: dict[Table, Callable[[LoadedTeacher, FeatureBlock, Path], list[np.ndarray]]] = {
    "images": _image_rows,
    "patches": _patch_rows,
    "regions": _region_rows,
    "texts": _text_rows,
    "states": _state_rows,
    "words": _word_rows,
    "left_out": _left_out_rows,
}
"""Table -> the rows for each name of a block."""
