"""What large students are trained with: blocks computed again in the backward pass, and averaged weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load

from ablative.trainables.config import OptimConfig
from ablative.trainables.config import TrialConfig
from ablative.trainables.config import canonical
from ablative.trainables.exposure import Exposures
from ablative.trainables.identity import without_places
from ablative.trainables.job import Alone
from ablative.trainables.job import TrialJob
from ablative.trainables.students.student import StudentModule
from ablative.trainables.training.averaging import AveragedWeights
from ablative.trainables.training.recomputation import recompute_blocks
from ablative.trainables.trial import run_trial
from tests.torch_cpu.training.conftest import CLIP_TD
from tests.torch_cpu.training.conftest import smoke
from tests.torch_cpu.training.test_resume import CutAfter
from tests.torch_cpu.training.test_resume import told
from tests.torch_cpu.training.test_steps import VILLA
from tests.torch_cpu.training.test_steps import made

SAMPLED = {**CLIP_TD, "selection": {"draw": "sampled"}}
THREE = {"min_steps": 6, "evaluations": 3}


def job(cache: Path, **optim: object) -> TrialJob:
    config = smoke(distillation=SAMPLED, optim={**THREE, **optim})
    return TrialJob(
        trial_id="t",
        config=config,
        seed=1,
        evaluate=("val", "test"),
        cache=str(cache),
        keep_predictions=True,
        keep_student=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("optim", [{}, {"adversarial": VILLA}, {"accumulation": 2}], ids=str)
def test_blocks_that_are_computed_again_give_the_same_trial_bit_for_bit(optim: dict[str, object], cache: Path) -> None:
    plain, again = Alone(), Alone()
    expected = run_trial(job(cache, **optim), plain)
    found = run_trial(job(cache, gradient_checkpointing=True, **optim), again)

    assert expected.status == "completed", expected.error
    assert told(found) == told(expected)
    assert plain.student is not None
    assert again.student is not None
    first, second = load(plain.student), load(again.student)
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def kept_for_the_way_back(student: StudentModule, cache: Path) -> int:
    """Numbers that one forward pass keeps for the backward pass, parameters not counted."""
    _, batch = made("snli_ve", cache)
    own = {parameter.data_ptr() for parameter in student.parameters()}
    sizes: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.data_ptr() not in own:
            sizes[tensor.data_ptr()] = tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        states = student(batch.inputs)
    assert states.logits.requires_grad
    return sum(sizes.values())


@pytest.mark.parametrize("has_blocks", [True, False])
def test_less_is_kept_for_the_way_back(has_blocks: bool, cache: Path) -> None:
    module, _ = made("snli_ve", cache)
    student = module.student
    if not has_blocks:

        class Whole(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner, self.width = student.encoder, student.width

            def forward(self, batch: object) -> object:
                return self.inner(batch)

        student = StudentModule(Whole(), student.head)
    before = kept_for_the_way_back(student, cache)
    recompute_blocks(student)

    assert kept_for_the_way_back(student, cache) < before / 2


def test_averages_follow_their_formula() -> None:
    module = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        module.weight.fill_(1.0)
    averages = AveragedWeights(module, decay=0.2)
    expected = 1.0
    for step, weight in enumerate((3.0, -2.0, 8.0), 1):
        with torch.no_grad():
            module.weight.fill_(weight)
        averages.update()
        decay = min(0.2, step / (9 + step))
        expected = decay * expected + (1 - decay) * weight
    with averages.in_place():
        inside = module.weight.item()

    assert inside == pytest.approx(expected, rel=1e-6)
    assert module.weight.item() == 8.0
    assert averages.state_dict()["averages"]["weight"].item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.slow
def test_averaged_weights_are_evaluated_and_kept_and_do_not_touch_the_training(cache: Path) -> None:
    plain, averaged = Alone(), Alone()
    expected = run_trial(job(cache), plain)
    found = run_trial(job(cache, ema=0.9), averaged)

    def losses(outcome: object) -> list[object]:
        return [point.value for point in outcome.curve if point.split == "train"]  # type: ignore[attr-defined]

    assert found.status == "completed", found.error
    assert losses(found) == losses(expected)
    assert found.predictions != expected.predictions
    assert plain.student is not None
    assert averaged.student is not None
    first, second = load(plain.student), load(averaged.student)
    assert first.keys() == second.keys()
    assert any(not torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.slow
@pytest.mark.parametrize("evaluation", [1, 2])
def test_averaged_weights_go_on_bit_for_bit(evaluation: int, cache: Path) -> None:
    averaged = job(cache, ema=0.9)
    cut = CutAfter(evaluation=evaluation)
    assert "PowerCut" in run_trial(averaged, cut).error

    whole, resumed = Alone(), Alone(checkpoint=cut.checkpoint)
    assert told(run_trial(averaged, resumed)) == told(run_trial(averaged, whole))
    assert resumed.student == whole.student


@pytest.mark.slow
@pytest.mark.parametrize("task", ["snli_ve", "vcr"])
def test_batches_by_tokens_train_as_the_plan_says_and_go_on_bit_for_bit(task: str, cache: Path) -> None:
    config = canonical(
        smoke(
            task,
            distillation=CLIP_TD,
            optim={**THREE, "epochs": 2, "max_steps": 12, "batch_tokens": 1500, "accumulation": 2},
        )
    )
    by_tokens = TrialJob(trial_id="t", config=config, seed=1, evaluate=("val",), cache=str(cache))
    whole = run_trial(by_tokens, Alone())
    cut = CutAfter(evaluation=1)
    run_trial(by_tokens, cut)
    planned = Exposures(cache).of(config)

    assert whole.status == "completed", whole.error
    assert told(run_trial(by_tokens, Alone(checkpoint=cut.checkpoint))) == told(whole)
    assert planned.examples == whole.metrics["train/examples"]
    assert planned.seen == pytest.approx(whole.samples_seen, rel=0.1)


def test_a_plan_does_not_count_tokens_of_data_that_are_not_prepared(tmp_path: Path) -> None:
    found = Exposures(tmp_path).of(smoke(optim={"batch_tokens": 1500}))

    assert (found.seen, found.passes) == (None, None)
    assert "once the data are prepared" in found.note


def test_only_what_changes_results_is_in_the_identity() -> None:
    def content(**optim: object) -> dict[str, object]:
        return without_places(TrialConfig(optim=OptimConfig.model_validate(optim)))

    assert content(ema=0.0, gradient_checkpointing=True, sharding="full") == content()
    assert content(ema=0.99) != content()
    assert content(batch_tokens=None) == content()
    assert content(batch_tokens=4000) != content()


def test_the_number_of_examples_does_not_matter_where_tokens_are_counted() -> None:
    first, second = (
        canonical(TrialConfig(optim=OptimConfig(batch_tokens=4000, batch_size=size, bucketing=size)))
        for size in (8, 32)
    )

    assert first == second
