"""AF-T on features of a world where the teacher's image side is turned against its text side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from ablative.trainables.config import AdaptationConfig
from ablative.trainables.data.examples import Candidate
from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.examples import Text
from ablative.trainables.teachers.adaptation import adapted_heads
from tests.helpers.tasks import TASKS

WIDTH = 16
CONFIG = AdaptationConfig(of="teacher")


@dataclass(frozen=True)
class TurnedTeacher:
    """Sentence i and picture i are one vector, but for a rotation of the image side."""

    width: int = WIDTH
    logit_scale: float = 20.0

    def _vectors(self, names: list[str]) -> np.ndarray:
        rows = [np.random.default_rng([7, int(name.split()[-1])]).standard_normal(WIDTH) for name in names]
        rows = np.asarray(rows).reshape(len(names), WIDTH)
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)

    def image(self, images: list[str]) -> np.ndarray:
        turn, _ = np.linalg.qr(np.random.default_rng(3).standard_normal((WIDTH, WIDTH)))
        return (self._vectors(images) @ turn).astype(np.float16)

    def text(self, texts: list[str]) -> np.ndarray:
        return self._vectors(texts).astype(np.float16)


def statement(number: int, target: int, image: int | None = None) -> Example:
    return Example(
        id=f"{number}",
        image=f"picture {number if image is None else image}",
        candidates=(Candidate(query=Text(text=f"statement {number}")),),
        targets=((target, 1.0),),
        stratum="s",
        group=f"{number}",
    )


def split_of(examples: list[Example], task: str = "snli_ve") -> TaskSplit:
    classes = ("contradiction", "neutral", "entailment") if task == "snli_ve" else ()
    return TaskSplit(task=TASKS[task], split="train", examples=examples, image_folder="", boxes={}, classes=classes)


def found(teacher: TurnedTeacher, numbers: range, heads) -> float:
    """Share of the pictures whose own sentence is nearest."""
    images = teacher.image([f"picture {i}" for i in numbers]) @ heads.image.T
    texts = teacher.text([f"statement {i}" for i in numbers]) @ heads.text.T
    texts = texts / np.linalg.norm(texts, axis=1, keepdims=True)
    return float(((images @ texts.T).argmax(axis=1) == np.arange(len(numbers))).mean())


@pytest.mark.slow
def test_adapted_heads_match_pictures_and_sentences_that_they_never_saw():
    teacher = TurnedTeacher()
    patient = AdaptationConfig(of="teacher", steps=400, rate=1e-2)  # a whole rotation is a long way from the identity
    heads = adapted_heads(split_of([statement(i, 2) for i in range(400)]), teacher, patient, seed=1)
    plain = adapted_heads(split_of([]), teacher, CONFIG, seed=1)
    assert found(teacher, range(300, 340), plain) < 0.2
    assert found(teacher, range(300, 340), heads) > 0.7


@pytest.mark.slow
def test_the_same_seed_gives_the_same_heads_and_another_seed_others():
    split = split_of([statement(i, 2) for i in range(150)])  # more pairs than a batch, so that order matters
    first, again, other = (adapted_heads(split, TurnedTeacher(), CONFIG, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.image, again.image) and np.array_equal(first.text, again.text)
    assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize("examples", [[], [statement(0, 2)], [statement(i, 1) for i in range(9)]])
def test_too_few_matched_pairs_leave_the_teacher_as_it_is(examples):
    heads = adapted_heads(split_of(examples), TurnedTeacher(), CONFIG, seed=1)
    assert np.array_equal(heads.image, np.eye(WIDTH)) and np.array_equal(heads.text, np.eye(WIDTH))


def test_pairs_of_snli_ve_are_entailed_and_contradictions_of_the_picture_are_wrong():
    split = split_of([statement(0, 2, image=5), statement(1, 0, image=5), statement(2, 1, image=5), statement(3, 0)])
    [pair] = split.task.pairs(split)
    assert (pair.image, pair.text, pair.wrong) == ("picture 5", "statement 0", ("statement 1",))


def test_the_pair_of_a_vcr_question_is_its_right_candidate_and_the_others_are_wrong():
    answers = tuple(Candidate(query=Text(text="why"), response=Text(text=f"answer {i}")) for i in range(4))
    question = Example(id="q", image="picture 1", candidates=answers, targets=((2, 1.0),), stratum="qa", group="q")
    [pair] = TASKS["vcr"].pairs(split_of([question], task="vcr"))
    assert pair.text == "why answer 2"
    assert pair.wrong == ("why answer 0", "why answer 1", "why answer 3")
