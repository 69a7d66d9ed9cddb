"""The teacher that was aligned on captions of scenes: what is shipped, and that it knows what is in a picture."""

from __future__ import annotations

import hashlib
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from ablative.trainables.benchmark.draw import render
from ablative.trainables.config import TeacherConfig
from ablative.trainables.teachers.digest import teacher_digest
from ablative.trainables.teachers.dual_encoder import DualEncoder
from ablative.trainables.teachers.loading import load_teacher
from ablative.trainables.teachers.retrieval import area_under_curve
from ablative.trainables.teachers.scene_captions import captions
from ablative.trainables.teachers.scene_captions import teacher_scenes
from ablative.trainables.teachers.scene_facts import facts
from ablative.trainables.teachers.scene_files import SHIPPED
from ablative.trainables.teachers.words import words_of

MODEL = {"model": "mini_scene_encoder"}
DIGEST = "83f802833647c7133f01256e8b748d65092392d4ff4b8d221cb5c6d774d44d29"
LEAST_AREA = 0.8
FRESH = 9000
"""Scenes from here on took no part in the alignment."""


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> DualEncoder:
    return load_teacher(TeacherConfig.model_validate(MODEL), tmp_path_factory.mktemp("cache"))


def test_the_shipped_heads_are_those_that_were_measured() -> None:
    """If this fails on purpose: say in docs/log.md what was made anew, and measure its probe again."""
    assert hashlib.sha256(SHIPPED.read_bytes()).hexdigest() == DIGEST
    assert SHIPPED.stat().st_size < 4_000_000


def test_the_digest_follows_heads_and_control(tmp_path: Path) -> None:
    found = {
        teacher_digest(TeacherConfig.model_validate(MODEL | {"control": control}), tmp_path)
        for control in ("none", "shuffled", "untrained", "blank_image")
    }
    assert len(found) == 3  # the shuffled one is the teacher itself


def test_it_tells_true_captions_of_fresh_scenes_from_false_ones(teacher: DualEncoder) -> None:
    true, false = [], []
    for shown in islice(teacher_scenes(FRESH + 24), FRESH, None):
        said = captions(shown, facts(shown), np.random.default_rng(shown.index), 12)
        image = teacher.encode_images([render(shown)])
        cosines = (teacher.encode_texts([text for _, text in said]) @ image.T)[:, 0].tolist()
        true += cosines[0::2]
        false += cosines[1::2]
    assert area_under_curve(np.array(true), np.array(false)) > LEAST_AREA


def test_a_word_has_another_state_in_another_text(teacher: DualEncoder) -> None:
    texts = ["The cat is left of the dog.", "a cat"]
    states = teacher.word_features(texts)
    assert [len(rows) for rows in states] == [len(words_of(text)) for text in texts]
    assert not torch.allclose(states[0][1], states[1][1], atol=1e-2)
