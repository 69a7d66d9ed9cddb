"""A probe on a frozen teacher's features: fitted on a share of train, measured on val in the task's own metrics.

Over classes the probe is that of the teacher's confidence in classes that exclude each other
(`ablative.trainables.teachers.confidence`), for answers with a score each too, and beside it one that sees the picture
alone and one that sees the text alone. Over candidates nothing is fitted: the candidate nearest to the picture wins.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from ablative.progress import Progress
from ablative.trainables.config import TeacherConfig
from ablative.trainables.config import TrialConfig
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.load import load_split
from ablative.trainables.data.majority import majority_class
from ablative.trainables.data.majority import majority_metrics
from ablative.trainables.data.metrics import score
from ablative.trainables.data.subsets import choosing
from ablative.trainables.data.subsets import subset
from ablative.trainables.job import MAJORITY
from ablative.trainables.parts.trainable import Foresight
from ablative.trainables.prepare import alone
from ablative.trainables.prepare import prepare_teachers
from ablative.trainables.teachers.confidence import fit_probe
from ablative.trainables.teachers.confidence import image_features
from ablative.trainables.teachers.confidence import over_candidates
from ablative.trainables.teachers.confidence import probe_features
from ablative.trainables.teachers.confidence import targets_of
from ablative.trainables.teachers.confidence import text_features
from ablative.trainables.teachers.feature_blocks import Part
from ablative.trainables.teachers.feature_blocks import compute_block
from ablative.trainables.teachers.feature_blocks import missing_blocks
from ablative.trainables.teachers.feature_blocks import release_teacher
from ablative.trainables.teachers.feature_cache import TeacherFeatures
from ablative.trainables.teachers.feature_cache import open_features

Inputs = Callable[[TaskSplit, TeacherFeatures], torch.Tensor]
"""(N, F) of a split's examples."""


def foresee(
    config: TrialConfig, cache: Path, progress: Progress, *, seed: int, most_fitted: int, most_measured: int
) -> Foresight:
    """Return what the teacher of a configuration knows of its task; its data must be prepared.

    `seed`: of the low-shot subset; `most_...`: examples of it, and of val, that are looked at.

    Raises TeacherError where the teacher cannot be loaded or gives no embeddings of pictures and texts.
    """
    (teacher, _), task = config.taught_by[0], config.task
    whole = subset(load_split(task.part, task.data, "train", cache), task.data_fraction, seed)
    train = choosing(whole, most_fitted)
    val = choosing(load_split(task.part, task.data, "val", cache), most_measured)
    _compute(teacher, train, val, cache, progress)
    features = open_features(teacher, cache, train)
    measured = {"probe": _measured(train, val, features, probe_features)}
    if task.part.head != "candidates":
        measured |= {
            "image": _measured(train, val, features, image_features),
            "text": _measured(train, val, features, text_features),
        }
    least = majority_metrics(val, majority_class(whole))
    measured["majority"] = {name.removeprefix(MAJORITY): value for name, value in least.items()}
    fitted = 0 if task.part.head == "candidates" else len(train.examples)
    return Foresight(teacher=teacher.model, measured=measured, fitted=fitted, examples=len(val.examples))


def _compute(teacher: TeacherConfig, train: TaskSplit, val: TaskSplit, cache: Path, progress: Progress) -> None:
    with alone(cache, progress):
        parts: list[Part] = [(split, ("images", "texts")) for split in (train, val)]
        blocks = missing_blocks(teacher, parts, cache)
        prepare_teachers(blocks, cache, progress)
        for done, block in enumerate(blocks, start=1):
            compute_block(block, cache)
            progress(block.stage, done, len(blocks))
        release_teacher()


def _measured(train: TaskSplit, val: TaskSplit, features: TeacherFeatures, inputs: Inputs) -> dict[str, float]:
    if train.task.head == "candidates":
        probabilities_NK = over_candidates(val, features)
    else:
        weights, bias = fit_probe(inputs(train, features), targets_of(train))
        probabilities_NK = (inputs(val, features) @ weights + bias).softmax(dim=-1)
    return {name: float(value) for name, value in score(val, probabilities_NK.numpy())[0].items()}
