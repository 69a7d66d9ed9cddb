"""The probe of a teacher finds what its features hold together, and nothing where they hold nothing."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ablative.trainables.config import TaskConfig
from ablative.trainables.data.examples import Candidate
from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.examples import Text
from ablative.trainables.teachers.probing import PENALTIES
from ablative.trainables.teachers.probing import majority
from ablative.trainables.teachers.probing import probe

WIDTH = 16


def units(count: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, WIDTH))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Stub:
    """A teacher's features by name."""

    def __init__(self, images: dict[str, np.ndarray], texts: dict[str, np.ndarray]) -> None:
        self._images, self._texts = images, texts

    def image(self, names):
        return np.stack([self._images[name] for name in names])

    def text(self, texts):
        return np.stack([self._texts[text] for text in texts])


def split_of(task: str, rows: list[tuple[str, list[str], int]], classes: tuple[str, ...]) -> TaskSplit:
    examples = [
        Example(
            id=str(number),
            image=image,
            candidates=tuple(Candidate(query=Text(text=text)) for text in texts),
            targets=((right, 1.0),),
            stratum="",
            group=str(number),
        )
        for number, (image, texts, right) in enumerate(rows)
    ]
    part = TaskConfig.model_validate({"name": task}).part
    return TaskSplit(task=part, split="train", examples=examples, image_folder="", boxes={}, classes=classes)


def matching(count: int, seed: int) -> tuple[TaskSplit, Stub]:
    """Class 1 where text and image are alike: neither alone says anything."""
    images, noise = units(count, seed), units(count, seed + 1)
    labels = np.arange(count) % 2
    texts = np.where(labels[:, None] == 1, images, -images) + 0.3 * noise
    names = [f"{seed}-{number}" for number in range(count)]
    rows = [(name, [name], int(label)) for name, label in zip(names, labels, strict=True)]
    stub = Stub(dict(zip(names, images, strict=True)), dict(zip(names, texts, strict=True)))
    return split_of("snli_ve", rows, ("no", "yes")), stub


def test_what_image_and_text_say_only_together_is_found_and_neither_alone_tells_it():
    (train, one), (val, other) = matching(200, 1), matching(300, 7)
    both = Stub(one._images | other._images, one._texts | other._texts)
    assert probe(train, val, both).accuracy > 0.95
    assert probe(train, val, both, sides="text").accuracy == pytest.approx(0.5, abs=0.1)
    assert probe(train, val, both, sides="image").accuracy == pytest.approx(0.5, abs=0.1)


def test_labels_that_no_feature_tells_get_the_strongest_penalty():
    train, stub = matching(60, 3)
    shuffled = np.random.default_rng(0).permutation(60)
    rows = [(e.image, [e.candidates[0].query.text], int(shuffled[i] % 2)) for i, e in enumerate(train.examples)]
    assert probe(split_of("snli_ve", rows, ("no", "yes")), train, stub).penalty == max(PENALTIES)


def test_candidates_are_told_apart_by_one_set_of_weights_wherever_the_right_one_stands():
    images, rng = units(120, 5), np.random.default_rng(6)
    texts = units(480, 6).reshape(120, 4, WIDTH)
    rows, vectors = [], {}
    for number in range(120):
        right = int(rng.integers(4)) if number < 60 else 3  # never so in training alone
        texts[number, right] += images[number]
        names = [f"{number} {place}" for place in range(4)]
        vectors |= dict(zip(names, texts[number], strict=True))
        rows.append((str(number), names, right))
    stub = Stub({str(number): images[number] for number in range(120)}, vectors)
    train, val = split_of("vcr", rows[:60], ()), split_of("vcr", rows[60:], ())
    val = SimpleNamespace(**{name: getattr(val, name) for name in TaskSplit.__slots__})
    val.task = SimpleNamespace(
        head=train.task.head, measure=lambda split, rows, scores: {"accuracy": float(scores.mean())}
    )
    assert probe(train, val, stub).accuracy > 0.8


def test_the_majority_is_what_is_frequent_in_train_whatever_is_frequent_in_val():
    train = split_of("snli_ve", [("a", ["x"], 0), ("a", ["y"], 0), ("b", ["x"], 1)], ("no", "yes"))
    val = split_of("snli_ve", [("a", ["x"], 1), ("b", ["y"], 1), ("b", ["x"], 1), ("a", ["y"], 0)], ("no", "yes"))
    assert majority(train, val) == pytest.approx(0.25)


def test_the_probe_has_no_randomness():
    train, stub = matching(50, 9)
    torch.manual_seed(1)
    first = probe(train, train, stub)
    torch.manual_seed(2)
    assert probe(train, train, stub) == first
