"""A term of one's own trains; one that does not do what it says fails its trial with a sentence that names it."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ablative.trainables.job import Alone
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from ablative.trainables.parts.catalogue import bundled
from ablative.trainables.parts.extended import trial_config
from ablative.trainables.parts.origin import Origin
from ablative.trainables.parts.sources import Source
from ablative.trainables.parts.sources import catalogue
from ablative.trainables.parts.sources import imported
from ablative.trainables.parts.sources import install
from ablative.trainables.parts.term import Term
from ablative.trainables.trial import run_trial
from tests.torch_cpu.training.conftest import smoke
from tests.torch_cpu.training.pair import PATIENCE


def sound(student: Any, teacher: Any, term: Any) -> torch.Tensor:
    return (student.logits.softmax(-1) - teacher.probabilities).square().sum(-1)


def sudden(student: Any, teacher: Any, term: Any) -> torch.Tensor:
    """NaN in a value whose gradient is finite."""
    return sound(student, teacher, term) + torch.full((len(student.logits),), torch.nan)


FAULTS: dict[str, tuple[Callable[[Any, Any, Any], Any], str, str]] = {
    "not a number": (
        lambda s, t, own: sound(s, t, own).log() * torch.nan,
        "non_finite",
        r"gradient norm is nan at step 1 of \d+ \(.*term mine \(.*test_faulty_terms\.py:\d+\) is nan\)",
    ),
    "not a number, with a finite gradient": (sudden, "non_finite", r"term mine \(.*\.py:\d+\) is nan"),
    "another shape": (
        lambda s, t, own: sound(s, t, own).mean(),
        "trainable_error",
        r"PartError: .*test_faulty_terms\.py:\d+: term mine returns a tensor of shape \(\); wanted \(\d+,\)",
    ),
    "undeclared": (
        lambda s, t, own: sound(s, t, own) * t.confidence,
        "trainable_error",
        r"PartError: .*test_faulty_terms\.py:\d+: term mine reads teacher\.confidence, which it does not declare",
    ),
    "it raises": (
        lambda s, t, own: sound(s, t, own) / 0 if len(s.logits) < 0 else 1 // 0,
        "trainable_error",
        r"ZeroDivisionError.*\n.*test_faulty_terms\.py:\d+: the loss of term mine raised ZeroDivisionError",
    ),
}


def quick() -> dict[str, Any]:
    """A trial of two steps."""
    return smoke(optim={"batch_size": 4, "min_steps": 1, "max_steps": 2, "evaluations": 1}).model_dump()


def outcome_with(loss: Callable[[Any, Any, Any], Any], cache: Path) -> TrialOutcome:
    """Train for a few steps with the term `mine`."""
    part = Term(name="mine", description="Mine.", loss=loss, reads=("student.logits", "teacher.probabilities"))
    config_type = trial_config(bundled().joined([(part, Origin(place="here"))]))
    content = {**quick(), "distillation": {"terms": {"mine": 1.0}}}
    job = TrialJob(
        trial_id="t", config=config_type.model_validate(content), seed=1, cache=str(cache), evaluate=("val",)
    )
    return run_trial(job, Alone())


def test_a_term_of_ones_own_trains(cache: Path) -> None:
    """Its mean is among the curves."""
    outcome = outcome_with(sound, cache)

    assert outcome.status == "completed", outcome.error
    told = {point.metric for point in outcome.curve if point.split == "train"}
    assert told == {"loss", "task", "mine", "gradient_ratio", "gradient_cosine"}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_a_term_fails_the_trial_with_a_sentence_that_names_it(fault: str, cache: Path) -> None:
    """With the file and line that the term stands at."""
    loss, cause, said = FAULTS[fault]

    outcome = outcome_with(loss, cache)

    assert (outcome.status, outcome.cause) == ("failed", cause)

    assert re.search(said, outcome.error, re.DOTALL), outcome.error


ON_ONE_WORKER = """
import torch
from ablative.trainables.parts.term import Term

def loss(student, teacher, term):
    gap = (student.logits.softmax(-1) - teacher.probabilities).square().sum(-1)
    return gap + (torch.nan if torch.distributed.get_rank() == 1 else 0.0)

PARTS = [Term(name="mine", description="Mine.", loss=loss, reads=("student.logits", "teacher.probabilities"))]
"""


def test_both_workers_name_a_term_that_is_not_finite_on_one_of_them(cache: Path, tmp_path: Path) -> None:
    """Its gradient is finite, so that the other worker would go on without it, and wait for ever."""
    path = tmp_path / "mine.py"
    path.write_text(ON_ONE_WORKER, encoding="utf-8")
    config = trial_config(catalogue([path])).model_validate({**quick(), "distillation": {"terms": {"mine": 1.0}}})
    job = TrialJob(trial_id="t", config=config, seed=1, cache=str(cache), evaluate=("val",))

    torch.multiprocessing.spawn(work_of_two, args=(imported(), pickle.dumps(job), tmp_path), nprocs=2)

    for rank in (0, 1):
        outcome = pickle.loads((tmp_path / f"rank-{rank}").read_bytes())
        assert (outcome.status, outcome.cause) == ("failed", "non_finite"), outcome.error
        assert re.search(r"mine\.py:\d+\) is nan", outcome.error), outcome.error


def work_of_two(rank: int, sources: tuple[Source, ...], job: bytes, folder: Path) -> None:
    """Run the trial as one of two workers, which have the parts' sources first."""
    install(sources)
    meeting = f"file://{folder / 'meeting'}"
    torch.distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2, timeout=PATIENCE)
    (folder / f"rank-{rank}").write_bytes(pickle.dumps(run_trial(pickle.loads(job), Alone())))
    torch.distributed.destroy_process_group()
