"""A stored confidence is the computed one, and whatever decides its numbers decides its file."""

from __future__ import annotations

from dataclasses import asdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ablative.trainables.data.examples import Candidate
from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.examples import Text
from ablative.trainables.tasks.snli_ve_files.reader import CLASSES
from ablative.trainables.teachers import confidence_store
from ablative.trainables.teachers.confidence import teacher_confidence
from ablative.trainables.teachers.confidence_store import is_stored
from ablative.trainables.teachers.confidence_store import stored_confidence
from ablative.trainables.teachers.feature_cache import TeacherFeatures
from ablative.trainables.teachers.feature_cache import TeacherHeads
from ablative.trainables.teachers.feature_table import FeatureTable
from tests.helpers.tasks import TASKS

WIDTH = 8
NAMES = [f"{number}.png" for number in range(20)]


def example(number: int) -> Example:
    return Example(
        id=str(number),
        image=NAMES[number],
        candidates=(Candidate(query=Text(text=f"statement {number}")),),
        targets=((number % len(CLASSES), 1.0),),
        stratum="",
        group=str(number),
    )


@pytest.fixture
def split() -> TaskSplit:
    examples = tuple(example(number) for number in range(len(NAMES)))
    return TaskSplit(
        task=TASKS["snli_ve"], split="train", examples=examples, image_folder="", boxes={}, classes=CLASSES
    )


@pytest.fixture
def features(tmp_path: Path, split: TaskSplit) -> TeacherFeatures:
    rng = np.random.default_rng(0)
    for table, names in (("images", NAMES), ("texts", [e.candidates[0].query.text for e in split.examples])):
        FeatureTable(tmp_path / table).add(names, list(rng.normal(size=(len(names), 1, WIDTH))))
    tables = {
        name: FeatureTable(tmp_path / name)
        for name in ("images", "texts", "isolated", "states", "left_out", "patch_table", "region_table")
    }
    keys = {name: name for name in NAMES}
    return TeacherFeatures(**tables, picture_keys=keys, blank=False, width=WIDTH, logit_scale=10.0)


def stored_files(features: TeacherFeatures) -> list[Path]:
    return list((features.images.folder.parent / "confidence").iterdir())


def test_what_is_read_again_is_what_was_computed(split: TaskSplit, features: TeacherFeatures) -> None:
    computed = asdict(teacher_confidence(split, features, seed=1))
    first, again = (asdict(stored_confidence(split, features, seed=1, probabilities=True)) for _ in range(2))

    assert len(stored_files(features)) == 1
    for name, values in computed.items():
        assert values.dtype == again[name].dtype
        assert np.array_equal(values, first[name])
        assert np.array_equal(values, again[name])


def test_another_seed_truth_subset_or_head_of_the_teacher_has_a_file_of_its_own(
    split: TaskSplit, features: TeacherFeatures
) -> None:
    swapped = replace(split.examples[0], targets=((1, 1.0),))
    turned = TeacherHeads(image=np.eye(WIDTH)[::-1], text=np.eye(WIDTH))
    stored_confidence(split, features, seed=1, probabilities=False)
    stored_confidence(split, features, seed=2, probabilities=False)
    stored_confidence(replace(split, examples=(swapped, *split.examples[1:])), features, seed=1, probabilities=False)
    stored_confidence(replace(split, examples=split.examples[:15]), features, seed=1, probabilities=False)
    stored_confidence(split, replace(features, heads=turned), seed=1, probabilities=False)

    assert len(stored_files(features)) == 5


def test_probabilities_of_every_class_are_kept_only_where_they_are_wanted(
    split: TaskSplit, features: TeacherFeatures
) -> None:
    without, again = (stored_confidence(split, features, seed=1, probabilities=False) for _ in range(2))
    whole = stored_confidence(split, features, seed=1, probabilities=True)

    assert without.probabilities.shape == again.probabilities.shape == (len(NAMES), 0)
    assert whole.probabilities.shape == (len(NAMES), len(CLASSES))
    assert np.array_equal(without.probability, whole.probability)
    assert len(stored_files(features)) == 2


@pytest.fixture
def answers(split: TaskSplit) -> TaskSplit:
    """The same pictures and texts, with answers that have a score each."""
    return replace(split, task=TASKS["vqa"])


def test_of_answers_one_file_serves_every_seed_and_probabilities_are_mapped_to_memory(
    answers: TaskSplit, features: TeacherFeatures, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = teacher_confidence(answers, features, seed=0)
    first = stored_confidence(answers, features, seed=1, probabilities=True)
    monkeypatch.delattr(confidence_store, "blocked_confidence")  # nothing is fitted again
    again, plain = (stored_confidence(answers, features, seed=2, probabilities=wanted) for wanted in (True, False))

    for found in (first, again, plain):
        assert np.array_equal(found.probability, computed.probability)
        assert np.array_equal(found.cross_entropy, computed.cross_entropy)
        assert np.array_equal(found.correct, computed.correct)
    assert isinstance(again.probabilities, np.memmap)
    assert np.array_equal(again.probabilities, computed.probabilities.astype(np.float16))
    assert plain.probabilities.shape == (len(NAMES), 0)


def test_answers_of_another_subset_or_head_of_the_teacher_have_a_file_of_their_own(
    answers: TaskSplit, features: TeacherFeatures
) -> None:
    turned = TeacherHeads(image=np.eye(WIDTH)[::-1], text=np.eye(WIDTH))
    stored_confidence(answers, features, seed=1, probabilities=False)
    stored_confidence(replace(answers, examples=answers.examples[:15]), features, seed=1, probabilities=False)
    stored_confidence(answers, replace(features, heads=turned), seed=1, probabilities=False)

    assert len([path for path in stored_files(features) if path.suffix == ".npz"]) == 3


def test_probabilities_are_added_where_a_later_arm_reads_them(answers: TaskSplit, features: TeacherFeatures) -> None:
    stored_confidence(answers, features, seed=1, probabilities=False)
    assert not is_stored(answers, features, probabilities=True)
    assert stored_confidence(answers, features, seed=1, probabilities=True).probabilities.shape[1] == len(CLASSES)
    assert is_stored(answers, features, probabilities=True)
