"""Everything computed once, before any trial: benchmark, teacher, region features, pixels, teacher features."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from filelock import FileLock
from filelock import Timeout

from ablative.progress import Progress
from ablative.trainables.config import TeacherConfig
from ablative.trainables.config import TrialConfig
from ablative.trainables.config import canonical
from ablative.trainables.data.each_candidate import each_candidate
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.errors import MissingData
from ablative.trainables.parts.preparation import Preparation
from ablative.trainables.parts.task import Task
from ablative.trainables.reads import reads
from ablative.trainables.teachers.feature_blocks import LOOKS
from ablative.trainables.teachers.feature_blocks import FeatureBlock
from ablative.trainables.teachers.feature_blocks import Part
from ablative.trainables.teachers.feature_blocks import compute_block
from ablative.trainables.teachers.feature_blocks import missing_blocks
from ablative.trainables.teachers.feature_blocks import release_teacher
from ablative.trainables.teachers.needs import reads_confidence
from ablative.trainables.teachers.needs import tables_read
from ablative.trainables.teachers.tables import TABLES
from ablative.trainables.teachers.tables import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherNeed:
    """Teacher features that some trial reads."""

    task: Task
    data: str
    teacher: TeacherConfig
    tables: tuple[Table, ...]
    """In the order in which they are computed."""
    every_candidate: bool = False
    """Whether what is distilled is every candidate's text, not the right one's alone."""


def prepare(configs: Sequence[TrialConfig], cache: Path, progress: Progress) -> None:
    """Make all files that these configurations read from `cache`, in this process; existing files stay.

    A blind split without its pictures is left out: few studies predict it. Safe to call from several processes at
    once: one works, the others wait. If killed at any moment, it continues where it was.

    Raises:
        MissingData: a real data set is not where its configuration says, or pictures are not there.
        UnreadableData: pictures cannot be decoded.
        TeacherError: a teacher cannot be loaded, or its features are damaged.
    """
    preparation().here(configs, cache, progress)


def preparation(*, patches: bool = False) -> Preparation:
    """Return the steps of preparing; `patches`: features of single patches too, which no trial reads."""
    return Preparation(
        data=partial(prepare_data, patches=patches),
        blocks=partial(feature_blocks, patches=patches),
        then=confidence_blocks,
        compute=compute,
        reads_blocks=is_taught,
        release=release_teacher,
        alone=alone,
        reads=reads,
    )


def prepare_data(configs: Sequence[TrialConfig], cache: Path, progress: Progress, *, patches: bool = False) -> None:
    """Make the inputs of teacher features: splits, region features, and a teacher that must be made first.

    After it, the blocks of `feature_blocks` may be computed anywhere (`compute_block`). Raises as `prepare`.
    """
    with alone(cache, progress):
        _prepare_data(configs, cache, progress)
        blocks = feature_blocks(configs, cache, patches=patches)
        _require_pictures(blocks, cache, progress)
        prepare_teachers(blocks, cache, progress)


def feature_blocks(configs: Sequence[TrialConfig], cache: Path, *, patches: bool = False) -> list[FeatureBlock]:
    """Return the missing teacher features that these configurations read, grouped by teacher.

    The data must be prepared. Raises TeacherError for damaged features.
    """
    from ablative.trainables.data.load import load_split

    parts: dict[TeacherConfig, list[Part]] = {}
    for need in teacher_needs(configs, patches=patches):
        split = load_split(need.task, need.data, "train", cache)
        if need.every_candidate:
            split = each_candidate(split)
        parts.setdefault(need.teacher, []).append((split, need.tables))
    return [block for teacher, found in parts.items() for block in missing_blocks(teacher, found, cache)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidenceBlock:
    """A teacher's confidence in each answer of a whole train split, which all seeds share."""

    task: Task
    data: str
    teacher: TeacherConfig
    probabilities: bool
    """Whether those of every class are wanted."""
    size: int
    """Examples."""

    @property
    def stage(self) -> str:
        """Its name in progress lines."""
        return "teacher: confidence in answers"

    @property
    def work(self) -> float:
        """One device's."""
        return 1.0


def confidence_blocks(configs: Sequence[TrialConfig], cache: Path) -> list[ConfidenceBlock]:
    """Return the missing confidences of teachers in classes with separate scores, for trials on all the data.

    A smaller subset goes by the trial's seed, and the first trial that has it fits its probe, as does each trial with
    a teacher of its own (AF-T).
    """
    from ablative.trainables.data.load import load_split
    from ablative.trainables.teachers.confidence_store import is_stored
    from ablative.trainables.teachers.feature_cache import open_features

    wanted: dict[tuple[Task, str, TeacherConfig], bool] = {}
    for config in map(canonical, configs):
        task, distillation = config.task, config.distillation
        shared = task.data_fraction == 1 and distillation.adaptation.of != "teacher"
        if shared and task.part.head == "independent" and reads_confidence(distillation):
            for teacher, _ in config.taught_by:
                own = teacher.changed(control="none") if teacher.control == "shuffled" else teacher
                place = (task.part, task.data, own)
                wanted[place] = wanted.get(place, False) or distillation.reads_probabilities
    blocks = []
    for (task_part, data, teacher), probabilities in wanted.items():
        split = load_split(task_part, data, "train", cache)
        if not is_stored(split, open_features(teacher, cache, split), probabilities=probabilities):
            size = len(split.examples)
            blocks.append(
                ConfidenceBlock(task=task_part, data=data, teacher=teacher, probabilities=probabilities, size=size)
            )
    return blocks


def compute(block: FeatureBlock | ConfidenceBlock, cache: Path) -> None:
    """Compute a block on this process's device. Raises TeacherError."""
    if isinstance(block, FeatureBlock):
        compute_block(block, cache)
        return
    from ablative.trainables.data.load import load_split
    from ablative.trainables.teachers.confidence_store import stored_confidence
    from ablative.trainables.teachers.feature_cache import open_features

    split = load_split(block.task, block.data, "train", cache)
    features = open_features(block.teacher, cache, split)
    stored_confidence(split, features, seed=0, probabilities=block.probabilities)


def _prepare_data(configs: Sequence[TrialConfig], cache: Path, progress: Progress) -> None:
    from ablative.trainables.benchmark.spec import SHIPPED_DATA
    from ablative.trainables.data.content import data_content
    from ablative.trainables.data.load import is_stored
    from ablative.trainables.data.load import load_split
    from ablative.trainables.data.load import prepare_folder
    from ablative.trainables.data.splits import splits_of
    from ablative.trainables.students.stored_tokens import KEPT
    from ablative.trainables.students.stored_tokens import build_tokens
    from ablative.trainables.vision.pixels import build_pixels
    from ablative.trainables.vision.regions import build_regions
    from ablative.trainables.vision.regions import pictured

    with_pixels = set(tasks_of(config for config in configs if config.student.part.reads_pixels(config.student)))
    texts = _texts_read(configs)
    for task, data in tasks_of(configs):
        if data not in SHIPPED_DATA:
            data_content(task, data, cache, progress)  # what has changed since the plan, workers are to notice
        elif is_stored(task, data):
            _store_bundled(task, data, cache, progress)
        else:
            prepare_folder(task, data, cache, progress)
        splits = [load_split(task, data, name, cache) for name in splits_of(task, data, cache)]
        for split in splits:
            if split.split in ("train", "val") and not split.examples:
                raise MissingData(f"{data}: no example of {task.name} is in split {split.split!r}; a trial needs some")
        read = [split for split in splits if split.labelled or pictured(split, cache)]
        pixels = (task, data) in with_pixels
        if data not in SHIPPED_DATA:
            _require_new_pictures(read, cache, progress, pixels=pixels)
        for split in read:
            for max_tokens, vocabulary in texts[task, data]:
                if len(split.examples) > KEPT:
                    build_tokens(split, max_tokens, vocabulary, cache, progress)
            build_regions(split, cache, progress, decoded=True)
            if pixels:
                build_pixels(split, cache, progress, decoded=True)


def _store_bundled(task: Task, data: str, cache: Path, progress: Progress) -> None:
    """Generate a large bundled benchmark and store its examples, unless that has been done."""
    from ablative.trainables.data.content import examples_folder
    from ablative.trainables.data.content import last_content
    from ablative.trainables.data.convert import prepare_examples
    from ablative.trainables.data.load import prepare_folder
    from ablative.trainables.data.stored import WHOLE

    prepare_folder(task, data, cache, progress)
    content = last_content(task, data, cache)
    if content is None or not (examples_folder(content, cache) / "train" / WHOLE).is_file():
        prepare_examples(task, data, cache, progress, decode=False)


def _require_new_pictures(splits: Sequence[TaskSplit], cache: Path, progress: Progress, *, pixels: bool) -> None:
    """Decode the pictures of all splits that are new, so that all bad ones are named before anything is computed."""
    from ablative.trainables.data.picture_check import require_pictures
    from ablative.trainables.vision.pixels import REMEDY
    from ablative.trainables.vision.pixels import new_pixel_images
    from ablative.trainables.vision.regions import new_region_images

    wanted: dict[str, dict[str, None]] = {}
    for split in splits:
        new = wanted.setdefault(split.image_folder, {})
        new.update(dict.fromkeys(new_region_images(split, cache, progress)))
        new.update(dict.fromkeys(new_pixel_images(split, cache, progress) if pixels else ()))
    for folder, images in wanted.items():
        require_pictures(Path(folder), list(images), progress, remedy=REMEDY if pixels else "")


def _require_pictures(blocks: Iterable[FeatureBlock], cache: Path, progress: Progress) -> None:
    """Decode the pictures that a teacher will see, if only a detector's features were read until then."""
    from ablative.trainables.data.picture_check import require_pictures
    from ablative.trainables.vision.regions import open_regions

    wanted: dict[str, dict[str, None]] = {}
    for block in blocks:
        wanted.setdefault(str(cache / block.image_folder), {}).update(dict.fromkeys(block.images))
    for folder, images in wanted.items():
        if images and not open_regions(cache, folder).of_trunk:
            require_pictures(Path(folder), list(images), progress, remedy=LOOKS)


def prepare_teachers(blocks: Iterable[FeatureBlock], cache: Path, progress: Progress) -> None:
    """Make the files that teachers read from the cache, once, before several processes need them."""
    for teacher in dict.fromkeys(block.teacher for block in blocks):
        if (prepare := teacher.part.prepare) is not None:
            prepare(teacher, cache, progress)


@contextmanager
def alone(cache: Path, progress: Progress) -> Iterator[None]:
    """Hold the lock of the cache; report if another process has to finish first."""
    cache.mkdir(parents=True, exist_ok=True)
    lock = FileLock(cache / "prepare.lock", is_singleton=True)  # so that its holder may take it again
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress("waiting for another process that prepares the same cache", 0, 1)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _texts_read(configs: Iterable[TrialConfig]) -> dict[tuple[Task, str], dict[tuple[int, str | None], None]]:
    """(Task, data) -> longest text and vocabulary of each way in which students read its texts."""
    found: dict[tuple[Task, str], dict[tuple[int, str | None], None]] = {}
    for config in configs:
        ways, student = found.setdefault((config.task.part, config.task.data), {}), config.student
        if config.task.inputs != "image":
            ways[student.part.presets[student.preset].longest_text, student.vocabulary] = None
    return found


def is_taught(config: TrialConfig) -> bool:
    """Whether a trial reads features of a teacher."""
    return bool(canonical(config).taught_by)


def tasks_of(configs: Iterable[TrialConfig]) -> list[tuple[Task, str]]:
    """Distinct (task, data) in order of appearance."""
    return list(dict.fromkeys((config.task.part, config.task.data) for config in configs))


def teacher_needs(configs: Iterable[TrialConfig], *, patches: bool = False) -> list[TeacherNeed]:
    """Distinct teacher features; the shuffled control permutes targets, and so shares the teacher's own."""
    tables: dict[tuple[Task, str, TeacherConfig, bool], set[Table]] = {}
    for config in map(canonical, configs):
        for teacher, _ in config.taught_by:
            own = teacher.changed(control="none") if teacher.control == "shuffled" else teacher
            every = config.distillation.candidates == "all"
            wanted = tables.setdefault((config.task.part, config.task.data, own, every), set())
            wanted |= {*tables_read(config.distillation)}
            wanted |= {"patches"} if patches else set()
    return [
        TeacherNeed(
            task=task,
            data=data,
            teacher=teacher,
            tables=tuple(t for t in TABLES if t in wanted),
            every_candidate=every,
        )
        for (task, data, teacher, every), wanted in tables.items()
    ]
