"""The contents of the teacher cache, and what a study's trials still lack there. Imports no torch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ablative.trainables.config import TeacherConfig
from ablative.trainables.config import TrialConfig
from ablative.trainables.data.layout import task_folder
from ablative.trainables.prepare import feature_blocks
from ablative.trainables.prepare import tasks_of
from ablative.trainables.teachers.feature_cache import FACTS
from ablative.trainables.teachers.feature_cache import FEATURES
from ablative.trainables.teachers.feature_table import FeatureTable
from ablative.trainables.teachers.feature_table import shard_folders
from ablative.trainables.teachers.feature_table import verify_shard
from ablative.trainables.teachers.tables import TABLES


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedTable:
    """One table of a teacher's features."""

    name: str
    num_keys: int
    num_rows: int
    width: int
    precision: str
    num_shards: int
    num_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedTeacher:
    """A teacher with features in the cache, perhaps not all of them."""

    name: str
    folder: Path
    tables: tuple[CachedTable, ...]

    @property
    def num_bytes(self) -> int:
        """Size of its tables."""
        return sum(table.num_bytes for table in self.tables)


def cached_teachers(cache: Path, *, verify: bool = False) -> list[CachedTeacher]:
    """Every teacher with features in the cache, in order of folder; `verify` reads all values.

    Raises:
        TeacherError: a shard is damaged, or belongs to another teacher.
    """
    return [_teacher(facts.parent, verify) for facts in sorted((cache / FEATURES).glob(f"*/{FACTS}"))]


def missing_rows(configs: Sequence[TrialConfig], cache: Path) -> list[str]:
    """One line for each teacher and table that lacks something these configurations read.

    Raises:
        MissingData: a real data set is not at the place its configuration gives.
        TeacherError: a shard is damaged, or a teacher's files are missing.
    """
    for task, data in tasks_of(configs):
        if not task_folder(task, data, cache).is_dir():
            return [f"{data} has not been generated yet"]
    try:
        blocks = feature_blocks(configs, cache)
    except FileNotFoundError as error:  # `open_regions` raises it before `build_regions`
        return [f"lacks the region features of its pictures ({error.filename})"]
    counts: Counter[tuple[str, str]] = Counter()
    for block in blocks:
        counts[teacher_name(block.teacher), block.table] += len(block.names)
    return [f"{teacher} lacks {count:,} of {table}" for (teacher, table), count in counts.items()]


def teacher_name(config: TeacherConfig) -> str:
    """The model, with everything in brackets that makes it another teacher."""
    control = "none" if config.control == "shuffled" else config.control
    differs = [
        *([Path(config.checkpoint).name] if config.checkpoint else []),
        *([control] if control != "none" else []),
        *([config.precision] if config.precision != "float16" else []),
    ]
    return f"{config.model} ({', '.join(differs)})" if differs else config.model


def _teacher(folder: Path, verify: bool) -> CachedTeacher:
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    tables = (_table(folder / name, facts.get("digest"), verify) for name in TABLES)
    return CachedTeacher(
        name=teacher_name(TeacherConfig.model_validate(facts["teacher"])),
        folder=folder,
        tables=tuple(table for table in tables if table is not None),
    )


def _table(folder: Path, digest: str | None, verify: bool) -> CachedTable | None:
    shards = shard_folders(folder)
    if not shards:
        return None
    for shard in shards if verify else ():
        verify_shard(shard, digest)
    table = FeatureTable(folder, digest)
    values = np.load(shards[0] / "values.npy", mmap_mode="r")
    return CachedTable(
        name=folder.name,
        num_keys=len(table),
        num_rows=table.num_rows,
        width=values.shape[1],
        precision=str(values.dtype),
        num_shards=len(shards),
        num_bytes=sum(file.stat().st_size for shard in shards for file in shard.iterdir()),
    )
