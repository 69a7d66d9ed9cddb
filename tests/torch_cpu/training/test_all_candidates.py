"""All four candidates of a VCR question distilled: which rows, against which texts, and trained for real."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ablative.trainables.config import TermWeights
from ablative.trainables.config import TrialConfig
from ablative.trainables.data.each_candidate import each_candidate
from ablative.trainables.data.load import load_split
from ablative.trainables.job import Alone
from ablative.trainables.job import TrialJob
from ablative.trainables.prepare import prepare
from ablative.trainables.students.student import StudentStates
from ablative.trainables.students.tokens import teacher_text
from ablative.trainables.teachers.confidence import teacher_confidence
from ablative.trainables.teachers.feature_cache import open_features
from ablative.trainables.training.inputs import inputs_of
from ablative.trainables.training.step import distilled_outputs
from ablative.trainables.training.teacher_table import TeacherTable
from ablative.trainables.trial import run_trial
from tests.helpers.tasks import TASKS
from tests.torch_cpu.training.conftest import CLIP_TD
from tests.torch_cpu.training.conftest import smoke

pytestmark = pytest.mark.slow


def every(task: str = "vcr", **distillation: Any) -> TrialConfig:
    return smoke(task, distillation={**CLIP_TD, "candidates": "all", **distillation}, optim={"max_steps": 3})


@pytest.fixture(scope="module")
def whole_cache(cache: Path) -> Path:
    """The words of all candidates too."""
    prepare([every()], cache, lambda what, done, total: None)
    return cache


def test_the_teacher_speaks_of_each_candidates_own_text_and_of_the_examples_truth(whole_cache: Path) -> None:
    config = every()
    split = load_split(TASKS["vcr"], "mini_smoke", "train", whole_cache)
    features = open_features(config.teacher, whole_cache, split)
    confidence = teacher_confidence(split, features, seed=1)
    said = TeacherTable(split, features, confidence, config.distillation, shuffle_seed=None)(np.array([3, 0]))
    examples = [split.examples[3], split.examples[0]]
    texts = [teacher_text(candidate) for example in examples for candidate in example.candidates]

    assert said.index.tolist() == [12, 13, 14, 15, 0, 1, 2, 3]
    np.testing.assert_array_equal(said.text.numpy(), features.text(texts).astype(np.float32))
    images = features.image([example.image for example in examples for _ in range(4)]).astype(np.float32)
    np.testing.assert_array_equal(said.image.numpy(), images)
    assert said.confidence.tolist() == confidence.probability[[3, 3, 3, 3, 0, 0, 0, 0]].tolist()
    assert said.word_mask.sum(1).tolist() == [len(words) for words in features.words(texts, "contextual")]


def test_each_sequence_has_its_own_states_and_its_examples_truth(whole_cache: Path) -> None:
    config = every()
    inputs = inputs_of(config, load_split(TASKS["vcr"], "mini_smoke", "train", whole_cache), whole_cache)
    batch = inputs.batch(np.array([0, 1]))
    length = batch.words.shape[1]
    states = StudentStates(
        logits=torch.randn(8, 2), text_BLS=torch.randn(8, length, 6), regions_BRS=torch.randn(8, 5, 6)
    )
    found = distilled_outputs("candidates", states, batch, num_words=9, every_candidate=True)
    right = distilled_outputs("candidates", states, batch, num_words=9)
    rows = [0 + int(batch.targets_BK[0].argmax()), 4 + int(batch.targets_BK[1].argmax())]

    assert torch.equal(found.cls, states.text_BLS[:, 0])
    assert torch.equal(found.image, states.regions_BRS[:, 0])
    for name in ("cls", "image", "words", "logits", "truth"):
        assert len(getattr(found, name)) == 8
        assert torch.equal(getattr(found, name)[rows], getattr(right, name)), name


@pytest.mark.parametrize(
    "more",
    [
        {"terms": dict.fromkeys(TermWeights.model_fields, 1.0), "weighting": {"task": "kdar"}},
        {"adaptation": {"of": "student", "share": 0.5}, "weighting": {"unit": "gradient"}},
    ],
    ids=["every term", "an adapting student"],
)
def test_trials_train_so(more: dict[str, Any], whole_cache: Path) -> None:
    config = every(**more)
    outcome = run_trial(TrialJob(trial_id="t", config=config, seed=1, evaluate=(), cache=str(whole_cache)), Alone())

    assert outcome.status == "completed", outcome.error
    assert all(math.isfinite(point.value) for point in outcome.curve)


def test_a_split_by_candidate_is_the_same_by_place_by_slice_and_in_order(cache: Path) -> None:
    split = load_split(TASKS["vcr"], "mini_smoke", "train", cache)
    alone = each_candidate(split).examples

    assert len(alone) == 4 * len(split.examples)
    assert [alone[place] for place in range(8)] == list(alone[:8]) == list(alone)[:8]
    assert [example.candidates[0] for example in alone[:4]] == list(split.examples[0].candidates)
    assert [bool(example.targets) for example in alone[:4]] == [
        number == split.examples[0].targets[0][0] for number in range(4)
    ]
