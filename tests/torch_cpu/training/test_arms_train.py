"""Every method by name, and every term on every task, trained for real; what terms remember survives a cut."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from ablative.search_spaces.configuration import replaced
from ablative.trainables.arms import ARMS
from ablative.trainables.bfloat16 import lacks_bfloat16
from ablative.trainables.config import CONTROLS
from ablative.trainables.config import TermWeights
from ablative.trainables.config import TrialConfig
from ablative.trainables.data.load import load_split
from ablative.trainables.job import Alone
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from ablative.trainables.prepare import prepare
from ablative.trainables.students.tokens import teacher_text
from ablative.trainables.teachers.feature_cache import distilled_candidate
from ablative.trainables.teachers.feature_cache import open_features
from ablative.trainables.teachers.loading import load_teacher
from ablative.trainables.teachers.words import passage
from ablative.trainables.teachers.words import without_each_word
from ablative.trainables.teachers.words import words_of
from ablative.trainables.trial import run_trial
from tests.helpers.tasks import TASKS
from tests.torch_cpu.training.conftest import CLIP_TD
from tests.torch_cpu.training.conftest import smoke
from tests.torch_cpu.training.test_resume import CutAfter
from tests.torch_cpu.training.test_resume import told

pytestmark = pytest.mark.slow

INSTRUCTIONS = pytest.mark.skipif(lacks_bfloat16(), reason="needs a processor with instructions for bfloat16")
LEARNED = ("snli_ve", "vqa", "vcr")
TWO_STEPS = {"batch_size": 4, "min_steps": 1, "max_steps": 2, "evaluations": 1}
EVERY_TERM = {"terms": dict.fromkeys(TermWeights.model_fields, 1.0), "weighting": {"task": "kdar"}}
LEFT_OUT = {**CLIP_TD, "selection": {"score": "leave_one_out"}}


@pytest.fixture(scope="module")
def whole_cache(cache: Path) -> Path:
    """The shared cache, with sentences that lack a word and with regions too."""
    everything = {**EVERY_TERM, "selection": {"score": "leave_one_out"}}
    prepare([smoke(task, distillation=everything) for task in LEARNED], cache, lambda what, done, total: None)
    return cache


def run(config: TrialConfig, cache: Path, link: Alone | None = None, **changes: Any) -> TrialOutcome:
    job = TrialJob(trial_id="t", config=config, seed=1, cache=str(cache), evaluate=(), **changes)
    outcome = run_trial(job, link or Alone())
    assert outcome.status == "completed" or link, outcome.error
    return outcome


def train_parts(outcome: TrialOutcome) -> dict[str, float]:
    """The losses of the curve."""
    train = [point for point in outcome.curve if point.split == "train"]
    return {point.metric: point.value for point in train if not point.metric.startswith("gradient_")}


@pytest.mark.parametrize("name", [name for name in ARMS if name not in CONTROLS] + ["uniform_weights"])
def test_an_arm_by_name_trains_with_exactly_its_terms(name: str, whole_cache: Path) -> None:
    config = replaced(smoke(distillation=CLIP_TD, optim=TWO_STEPS), ARMS[name])
    parts = train_parts(run(config, whole_cache))
    on = {term for term, weight in config.distillation.terms if weight > 0}
    assert parts.keys() == {"loss", "task"} | on
    assert all(math.isfinite(value) for value in parts.values())
    assert all(value != 0 for value in parts.values())


@pytest.mark.parametrize("task", LEARNED)
@pytest.mark.parametrize("precision", ["float32", pytest.param("bfloat16", marks=INSTRUCTIONS)])
def test_every_term_trains_on_every_task(task: str, precision: str, whole_cache: Path) -> None:
    optim = {**TWO_STEPS, "precision": precision}
    for score in ("leave_one_out", "keyword", "content"):
        distillation = {**EVERY_TERM, "selection": {"score": score}}
        parts = train_parts(run(smoke(task, distillation=distillation, optim=optim), whole_cache))
        assert parts.keys() == {"loss", "task", *TermWeights.model_fields}
        assert all(math.isfinite(value) for value in parts.values())


def test_shuffled_targets_carry_their_relevance_and_probabilities_with_them(whole_cache: Path) -> None:
    distillation = {**EVERY_TERM, "selection": {"score": "leave_one_out"}}
    plain, shuffled = (
        train_parts(run(smoke(distillation=distillation, optim=TWO_STEPS, teacher={"control": c}), whole_cache))
        for c in ("none", "shuffled")
    )
    assert all(math.isfinite(value) for value in shuffled.values())
    assert plain["logits"] != shuffled["logits"]
    assert plain["tokens"] != shuffled["tokens"]


def test_the_change_without_a_word_is_that_of_the_teacher_at_work(whole_cache: Path) -> None:
    config = smoke("vcr", distillation=LEFT_OUT)
    split = load_split(TASKS["vcr"], config.task.data, "train", whole_cache)
    features = open_features(config.teacher, whole_cache, split)
    teacher = load_teacher(config.teacher, whole_cache, lambda what, done, total: None)
    candidates = [distilled_candidate(example) for example in split.examples[:3]]
    for candidate, found in zip(
        candidates, features.changes_without(list(map(teacher_text, candidates))), strict=True
    ):
        whole = passage(candidate)
        sentence_D = teacher.encode_texts([whole])[0]
        expected = [1 - float(row @ sentence_D) for row in teacher.encode_texts(without_each_word(whole))]
        assert found.tolist() == pytest.approx(expected, abs=2e-3)  # features are stored in half precision
        assert len(found) == len(words_of(whole.text)) > 1
        assert max(found) > 0.01


def test_the_memory_of_crd_goes_on_bit_for_bit_after_a_cut(whole_cache: Path) -> None:
    """Few negatives, so that they are drawn, and several passes, so that entries are read again."""
    crd = {"terms": {"crd": 0.8}, "crd": {"negatives": 5}}
    config = smoke(distillation=crd, optim={"min_steps": 6, "evaluations": 3})
    undisturbed = run(config, whole_cache)
    cut = CutAfter(evaluation=1)
    run(config, whole_cache, cut)
    resumed = Alone(checkpoint=cut.checkpoint)
    assert told(run(config, whole_cache, resumed)) == told(undisturbed)
    assert len(resumed.points) == 2
