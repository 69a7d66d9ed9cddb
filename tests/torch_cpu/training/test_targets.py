"""What a batch of teacher targets holds, gathered from the cache on disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.torch_cpu.training.conftest import CLIP_TD
from tests.torch_cpu.training.conftest import smoke
from trainables.data.examples import TaskSplit
from trainables.data.load import load_split
from trainables.students.tokens import teacher_text
from trainables.teachers.confidence_store import stored_confidence
from trainables.teachers.feature_cache import TeacherFeatures
from trainables.teachers.feature_cache import TeacherHeads
from trainables.teachers.feature_cache import distilled_candidate
from trainables.teachers.feature_cache import open_features
from trainables.teachers.words import words_of
from trainables.training.targets import TargetTable

pytestmark = pytest.mark.slow

CONFIG = smoke("vcr", distillation=CLIP_TD)


@pytest.fixture(scope="module")
def split(cache: Path) -> TaskSplit:
    """The training split of VCR."""
    return load_split("vcr", "mini_smoke", "train", cache)


@pytest.fixture(scope="module")
def features(split: TaskSplit, cache: Path) -> TeacherFeatures:
    """What the bundled teacher makes of it."""
    return open_features(CONFIG.teacher, cache, split)


def texts_of(split: TaskSplit) -> list[str]:
    return [teacher_text(distilled_candidate(example)) for example in split.examples]


@pytest.mark.parametrize("shuffle_seed", [None, 3])
def test_every_word_has_its_own_features_or_those_of_the_example_it_was_swapped_with(
    shuffle_seed: int | None, split: TaskSplit, features: TeacherFeatures
) -> None:
    confidence = stored_confidence(split, features, seed=1, probabilities=False)
    table = TargetTable(split, features, confidence, CONFIG.distillation, shuffle_seed=shuffle_seed)
    texts = texts_of(split)
    indices = np.array([7, 0, len(texts) - 1, 3])
    found = table(indices)

    assert (shuffle_seed is None) == (table.rows[indices] == indices).all()
    for place, index in enumerate(indices):
        source, count = int(table.rows[index]), len(words_of(texts[index]))
        assert found.word_mask_BN[place].tolist() == [i < count for i in range(found.word_mask_BN.shape[1])]
        for kind, given in (("contextual", found.words_BNT), ("isolated", found.isolated_BNT)):
            [known] = features.words([texts[source]], kind)
            expected = np.stack([known[i % len(known)] for i in range(count)]).astype(np.float32)
            assert torch.equal(given[place, :count], torch.from_numpy(expected))
            assert not given[place, count:].any()
        [image] = features.image([split.examples[source].image])
        assert torch.equal(found.image_BT[place], torch.from_numpy(image.astype(np.float32)))


def test_features_of_words_stay_on_disk_until_they_are_asked_for(split: TaskSplit, features: TeacherFeatures) -> None:
    found = features.words(texts_of(split), "contextual")

    assert len(found) == len(split.examples)
    assert not any(rows.flags.owndata or rows.flags.writeable for rows in found)


@pytest.mark.parametrize("kind", ["contextual", "isolated"])
def test_other_heads_turn_the_features_of_words(kind: str, split: TaskSplit, features: TeacherFeatures) -> None:
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(features.width, features.width)))
    turned = replace(features, heads=TeacherHeads(image=turn.astype(np.float32), text=turn.astype(np.float32)))
    texts = texts_of(split)[:5]

    for plain, other in zip(features.words(texts, kind), turned.words(texts, kind), strict=True):
        assert other == pytest.approx(plain.astype(np.float32) @ turn.T, abs=2e-3)
