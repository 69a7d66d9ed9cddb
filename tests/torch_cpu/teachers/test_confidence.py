"""The teacher's confidence: its formula for VCR, and probes that never saw the example they judge."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ablative.trainables.data.examples import Candidate
from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.examples import Text
from ablative.trainables.teachers.confidence import teacher_confidence
from ablative.trainables.teachers.feature_cache import TeacherFeatures
from ablative.trainables.teachers.feature_table import FeatureTable
from tests.helpers.tasks import TASKS

WIDTH, IMAGES, EACH = 32, 30, 4
CLASSES = {"snli_ve": ("entailment", "neutral", "contradiction"), "vqa": ("yes", "no", "red", "blue"), "vcr": ()}


def unit_rows(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    rows = rng.normal(size=(count, 1, WIDTH))
    return list(rows / np.linalg.norm(rows, axis=-1, keepdims=True))


def make_split(task: str, rng: np.random.Generator) -> TaskSplit:
    """Each image has a label of its own, drawn at random, which all its examples have: easy to memorise, no more."""
    num_candidates = 4 if task == "vcr" else 1
    examples = []
    for image in range(IMAGES):
        label = int(rng.integers(len(CLASSES[task]) or 4))
        targets = ((label, 0.9), ((label + 1) % 4, 0.3)) if task == "vqa" else ((label, 1.0),)
        for number in range(EACH):
            name = f"{image}-{number}"
            texts = [Text(text=f"{name} candidate {c}") for c in range(num_candidates)]
            candidates = tuple(Candidate(query=text) for text in texts)
            row = Example(
                id=name, image=f"{image}.png", candidates=candidates, targets=targets, stratum="", group=name
            )
            examples.append(row)
    return TaskSplit(
        task=TASKS[task], split="train", examples=tuple(examples), image_folder="", boxes={}, classes=CLASSES[task]
    )


def make_features(split: TaskSplit, folder: Path, rng: np.random.Generator) -> TeacherFeatures:
    images = sorted({example.image for example in split.examples})
    texts = [candidate.query.text for example in split.examples for candidate in example.candidates]
    for table, names in (("images", images), ("texts", texts)):
        FeatureTable(folder / table).add(names, unit_rows(rng, len(names)), "float32")
    names = ("images", "texts", "isolated", "states", "left_out", "patch_table", "region_table")
    tables = {name: FeatureTable(folder / name) for name in names}
    keys = {image: image for image in images}
    return TeacherFeatures(**tables, picture_keys=keys, blank=False, width=WIDTH, logit_scale=20.0)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(17)


def test_the_candidates_of_vcr_are_weighed_by_the_scaled_cosines_with_the_image(rng, tmp_path):
    split = make_split("vcr", rng)
    features = make_features(split, tmp_path, rng)
    confidence = teacher_confidence(split, features, seed=1)
    for row in (0, 57, len(split.examples) - 1):
        example = split.examples[row]
        v = features.image([example.image])[0].astype(np.float64)
        logits = [20.0 * float(v @ features.text([c.query.text])[0]) for c in example.candidates]
        expected = np.exp(logits) / np.exp(logits).sum()
        np.testing.assert_allclose(confidence.probabilities[row], expected, rtol=1e-4)
        truth = example.targets[0][0]
        assert confidence.probability[row] == pytest.approx(expected[truth], rel=1e-4)
        assert confidence.cross_entropy[row] == pytest.approx(-np.log(expected[truth]), rel=1e-3)
        assert bool(confidence.correct[row]) == (int(np.argmax(logits)) == truth)


@pytest.mark.parametrize("task", ["snli_ve", "vqa"])
def test_the_labels_of_an_image_play_no_part_in_how_its_own_examples_are_judged(rng, tmp_path, task):
    split = make_split(task, rng)
    features = make_features(split, tmp_path, rng)
    before = teacher_confidence(split, features, seed=1).probabilities
    for image in ("11.png",):
        own = np.array([example.image == image for example in split.examples])
        turned = tuple(
            replace(e, targets=tuple(((label + 1) % 3, score) for label, score in e.targets)) if mine else e
            for e, mine in zip(split.examples, own, strict=True)
        )
        after = teacher_confidence(replace(split, examples=turned), features, seed=1).probabilities
        np.testing.assert_array_equal(after[own], before[own])
        assert np.abs(after[~own] - before[~own]).max() > 0.01  # other examples' probes did see it


def test_labels_that_can_only_be_memorised_give_the_confidence_of_chance(rng, tmp_path):
    split = make_split("snli_ve", rng)
    features = make_features(split, tmp_path, rng)
    cross_fitted = teacher_confidence(split, features, seed=1)
    assert cross_fitted.correct.mean() < 0.6
    thirds = {image: f"{int(image[:-4]) // 10 * 10}.png" for image in features.picture_keys}  # three pictures in all
    seen = replace(features, picture_keys=thirds)
    learnable = tuple(replace(e, targets=((int(e.image[:-4]) // 10, 1.0),)) for e in split.examples)
    learned = teacher_confidence(replace(split, examples=learnable), seen, seed=1)
    assert learned.correct.mean() > 0.95  # the same probe finds what carries over to other images


def test_the_confidence_in_answers_is_the_same_whatever_the_trials_seed(rng, tmp_path):
    split = make_split("vqa", rng)
    features = make_features(split, tmp_path, rng)
    one, other = (teacher_confidence(split, features, seed=seed) for seed in (1, 2))
    np.testing.assert_array_equal(one.probabilities, other.probabilities)
    assert one.probability.std() > 0


def test_probes_are_the_same_for_one_seed_and_other_folds_for_another(rng, tmp_path):
    split = make_split("snli_ve", rng)
    features = make_features(split, tmp_path, rng)
    one, again, other = (teacher_confidence(split, features, seed=seed).probability for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 0.01
