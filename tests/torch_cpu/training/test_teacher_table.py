"""What a teacher says of a batch, gathered from the cache on disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.keywords import keyword_scores
from ablative.trainables.data.load import load_split
from ablative.trainables.students.tokens import teacher_text
from ablative.trainables.teachers.confidence_store import stored_confidence
from ablative.trainables.teachers.feature_cache import TeacherFeatures
from ablative.trainables.teachers.feature_cache import TeacherHeads
from ablative.trainables.teachers.feature_cache import distilled_candidate
from ablative.trainables.teachers.feature_cache import open_features
from ablative.trainables.teachers.words import words_of
from ablative.trainables.training import teacher_table
from ablative.trainables.training.teacher_table import TeacherTable
from tests.helpers.tasks import TASKS
from tests.torch_cpu.training.conftest import CLIP_TD
from tests.torch_cpu.training.conftest import smoke

pytestmark = pytest.mark.slow

CONFIG = smoke("vcr", distillation=CLIP_TD)


@pytest.fixture(scope="module")
def split(cache: Path) -> TaskSplit:
    """The training split of VCR."""
    return load_split(TASKS["vcr"], "mini_smoke", "train", cache)


@pytest.fixture(scope="module")
def features(split: TaskSplit, cache: Path) -> TeacherFeatures:
    """What the bundled teacher makes of it."""
    return open_features(CONFIG.teacher, cache, split)


def texts_of(split: TaskSplit) -> list[str]:
    return [teacher_text(distilled_candidate(example)) for example in split.examples]


def of_source(split: TaskSplit, features: TeacherFeatures, source: int, count: int, kind: str) -> np.ndarray:
    """(count, T) features of the source's words, taken round and round."""
    [known] = features.words([texts_of(split)[source]], kind)
    return np.stack([known[i % len(known)] for i in range(count)])


@pytest.mark.parametrize("kind", ["contextual", "isolated"])
@pytest.mark.parametrize("shuffle_seed", [None, 3])
def test_every_word_has_its_own_features_or_those_of_the_example_it_was_swapped_with(
    shuffle_seed: int | None, kind: str, split: TaskSplit, features: TeacherFeatures
) -> None:
    confidence = stored_confidence(split, features, seed=1, probabilities=False)
    config = smoke("vcr", distillation={**CLIP_TD, "selection": {"features": kind}}).distillation
    table = TeacherTable(split, features, confidence, config, shuffle_seed=shuffle_seed)
    texts = texts_of(split)
    indices = np.array([7, 0, len(texts) - 1, 3])
    found = table(indices)

    assert (shuffle_seed is None) == (table.rows[indices] == indices).all()
    for place, index in enumerate(indices):
        source, count = int(table.rows[index]), len(words_of(texts[index]))
        assert found.word_mask[place].tolist() == [i < count for i in range(found.word_mask.shape[1])]
        expected = of_source(split, features, source, count, kind)
        assert torch.equal(found.words[place, :count], torch.from_numpy(expected))
        assert not found.words[place, count:].any()
        [image] = features.image([split.examples[source].image])
        assert torch.equal(found.image[place], torch.from_numpy(image.astype(np.float32)))


@pytest.mark.parametrize("shuffle_seed", [None, 3])
@pytest.mark.parametrize("score", ["visual", "semantic", "keyword", "random"])
def test_the_prior_of_every_example_is_that_of_the_words_it_is_given(
    score: str, shuffle_seed: int | None, split: TaskSplit, features: TeacherFeatures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relevance is computed in blocks; here they are smaller than the split."""
    monkeypatch.setattr(teacher_table, "BLOCK", 8)
    confidence = stored_confidence(split, features, seed=1, probabilities=False)
    config = smoke("vcr", distillation={**CLIP_TD, "selection": {"score": score}}).distillation
    table = TeacherTable(split, features, confidence, config, shuffle_seed=shuffle_seed)
    texts = texts_of(split)
    indices = np.random.default_rng(0).permutation(len(texts))[:20]
    found = table(indices)

    for place, index in enumerate(indices):
        source, count = int(table.rows[index]), len(words_of(texts[index]))
        if score == "random":
            expected = np.zeros(count)
        elif score == "keyword":
            known = keyword_scores(texts)[source]
            expected = standardised(np.array([known[i % len(known)] for i in range(count)]))
        else:
            alone = of_source(split, features, source, count, "isolated").astype(np.float64)
            whole = (
                features.image([split.examples[source].image]) if score == "visual" else features.text([texts[source]])
            )
            cosines = alone @ whole[0].astype(np.float64) / np.linalg.norm(alone, axis=1) / np.linalg.norm(whole[0])
            expected = standardised(cosines)
            if score == "visual":
                assert found.visual[place, :count].tolist() == pytest.approx(cosines, abs=1e-4)
        assert found.prior[place, :count].tolist() == pytest.approx(expected, abs=2e-3)
        assert not found.prior[place, count:].any() and not found.visual[place, count:].any()


def standardised(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / values.std() if values.std() > 1e-6 else 0 * values


def test_what_no_term_reads_is_not_gathered(split: TaskSplit, features: TeacherFeatures) -> None:
    confidence = stored_confidence(split, features, seed=1, probabilities=False)
    config = smoke("vcr", distillation={"terms": {"attention": 1.0}}).distillation
    found = TeacherTable(split, features, confidence, config, shuffle_seed=None)(np.array([0, 1]))
    assert found.words.shape[-1] == 0
    assert found.visual.any()


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
