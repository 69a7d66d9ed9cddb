"""What the teacher of a configuration knows of its task, by probes on its features (`trainables.teachers.probing`).

The probes are fitted on a share of train and measured on val in the task's own metrics.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ablative.progress import Progress
from ablative.trainables.config import TeacherConfig
from ablative.trainables.config import TrialConfig
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.load import load_split
from ablative.trainables.data.majority import majority_class
from ablative.trainables.data.majority import majority_metrics
from ablative.trainables.data.subsets import choosing
from ablative.trainables.data.subsets import subset
from ablative.trainables.job import MAJORITY
from ablative.trainables.parts.trainable import Foresight
from ablative.trainables.prepare import alone
from ablative.trainables.prepare import prepare_teachers
from ablative.trainables.teachers.feature_blocks import Part
from ablative.trainables.teachers.feature_blocks import compute_block
from ablative.trainables.teachers.feature_blocks import missing_blocks
from ablative.trainables.teachers.feature_blocks import release_teacher
from ablative.trainables.teachers.feature_cache import open_features
from ablative.trainables.teachers.probing import Sides
from ablative.trainables.teachers.probing import probe


def foresee(
    config: TrialConfig, cache: Path, progress: Progress, *, seed: int, most_fitted: int, most_measured: int
) -> Foresight:
    """Return how well the configuration's teacher knows the task; its data must be prepared.

    `seed`: of the low-shot subset; `most_...`: limits on the examples from it, and from val.

    Raises TeacherError if the teacher cannot be loaded or gives no embeddings of pictures and texts.
    """
    (teacher, _), task = config.taught_by[0], config.task
    whole = subset(load_split(task.part, task.data, "train", cache), task.data_fraction, seed)
    train = choosing(whole, most_fitted)
    val = choosing(load_split(task.part, task.data, "val", cache), most_measured)
    _compute(teacher, train, val, cache, progress)
    features = open_features(teacher, cache, train)
    sides: Mapping[str, Sides] = {"probe": "both", "text": "text", "image": "image"}
    measured = {name: dict(probe(train, val, features, sides=side).metrics) for name, side in sides.items()}
    least = majority_metrics(val, majority_class(whole))
    measured["majority"] = {name.removeprefix(MAJORITY): value for name, value in least.items()}
    return Foresight(teacher=teacher.model, measured=measured, fitted=len(train.examples), examples=len(val.examples))


def _compute(teacher: TeacherConfig, train: TaskSplit, val: TaskSplit, cache: Path, progress: Progress) -> None:
    with alone(cache, progress):
        parts: list[Part] = [(split, ("images", "texts")) for split in (train, val)]
        blocks = missing_blocks(teacher, parts, cache)
        prepare_teachers(blocks, cache, progress)
        for done, block in enumerate(blocks, start=1):
            compute_block(block, cache)
            progress(block.stage, done, len(blocks))
        release_teacher()
