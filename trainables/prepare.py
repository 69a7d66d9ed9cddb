"""Everything computed once, before any trial: benchmark, teacher, region features, pixels, teacher features."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from filelock import Timeout

from trainables.config import TeacherConfig
from trainables.config import TrialConfig
from trainables.config import canonical
from trainables.students.presets import sees_pictures

Progress = Callable[[str, int, int], None]
"""What is done, how much of it, out of how much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherNeed:
    """Teacher features that some trial reads."""

    task: str
    data: str
    teacher: TeacherConfig
    words: bool
    left_out: bool
    """Texts without each of their words."""


def prepare(configs: Sequence[TrialConfig], cache: Path, progress: Progress) -> None:
    """Make all that these configurations read from `cache`; what is there already is left alone.

    A blind split without its pictures is left out: few studies predict it. Safe to call from several processes at
    once: one works, the others wait. Killed at any moment, it goes on where it was.

    Raises:
        MissingData: a real data set is not where its configuration says.
    """
    from trainables.data.load import load_split
    from trainables.data.splits import splits_of
    from trainables.teachers.feature_cache import build_features
    from trainables.vision.pixels import build_pixels
    from trainables.vision.regions import build_regions
    from trainables.vision.regions import pictured

    cache.mkdir(parents=True, exist_ok=True)
    with _alone(cache, progress):
        with_pixels = set(tasks_of(config for config in configs if sees_pictures(config.student)))
        for task, data in tasks_of(configs):
            for split in (load_split(task, data, name, cache) for name in splits_of(task, data)):
                if split.labelled or pictured(split, cache):
                    build_regions(split, cache, progress)
                    if (task, data) in with_pixels:
                        build_pixels(split, cache, progress)
        for need in teacher_needs(configs):
            split = load_split(need.task, need.data, "train", cache)
            build_features(need.teacher, split, cache, progress, words=need.words, left_out=need.left_out)


@contextmanager
def _alone(cache: Path, progress: Progress) -> Iterator[None]:
    """Hold the lock of the cache, saying so if another process has to finish first."""
    lock = FileLock(cache / "prepare.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress("waiting for another process that prepares the same cache", 0, 1)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def tasks_of(configs: Iterable[TrialConfig]) -> list[tuple[str, str]]:
    """Distinct (task, data) in order of appearance."""
    return list(dict.fromkeys((config.task.name, config.task.data) for config in configs))


def teacher_needs(configs: Iterable[TrialConfig]) -> list[TeacherNeed]:
    """Distinct teacher features; the shuffled control permutes targets, and so shares the teacher's own."""
    needs: dict[tuple[str, str, TeacherConfig], tuple[bool, bool]] = {}
    for config in map(canonical, configs):
        if not config.distillation.distils:
            continue
        teacher = config.teacher
        if teacher.control == "shuffled":
            teacher = teacher.model_copy(update={"control": "none"})
        key = (config.task.name, config.task.data, teacher)
        words, left_out = needs.get(key, (False, False))
        needs[key] = (words or config.distillation.reads_words, left_out or config.distillation.reads_left_out)
    return [
        TeacherNeed(task=task, data=data, teacher=teacher, words=words, left_out=left_out)
        for (task, data, teacher), (words, left_out) in needs.items()
    ]
