"""One step: parts of a batch, optimisers, and the adversarial loss against its formula."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from ablative.trainables.config import AdversarialConfig
from ablative.trainables.config import OptimConfig
from ablative.trainables.config import TrialConfig
from ablative.trainables.config import canonical
from ablative.trainables.data.load import load_split
from ablative.trainables.distillation.objective import Objective
from ablative.trainables.job import Alone
from ablative.trainables.job import TrialJob
from ablative.trainables.students.heads import task_loss
from ablative.trainables.students.kinds.uniter import UNITER_PRESETS
from ablative.trainables.students.student import build_student
from ablative.trainables.training.adversarial import adversarial_loss
from ablative.trainables.training.adversarial import symmetric_divergence
from ablative.trainables.training.inputs import Batch
from ablative.trainables.training.inputs import SplitInputs
from ablative.trainables.training.loop import take_step
from ablative.trainables.training.optimizer import optimizer_of
from ablative.trainables.training.step import TrainingStep
from ablative.trainables.trial import run_trial
from ablative.trainables.vision.regions import open_regions
from tests.helpers.tasks import TASKS
from tests.torch_cpu.training.conftest import CLIP_TD
from tests.torch_cpu.training.conftest import smoke

VILLA = {"steps": 3, "text_rate": 0.5, "image_rate": 0.5, "kl_weight": 1.5}


def made(task: str, cache: Path, optim: OptimConfig | None = None, count: int = 4) -> tuple[TrainingStep, Batch]:
    """A student without dropout with a plain objective, and its first batch of `mini_smoke`."""
    config = TrialConfig.model_validate({"student": {"dropout": 0.0}})
    split = load_split(TASKS[task], "mini_smoke", "train", cache)
    inputs = SplitInputs(
        split,
        open_regions(cache, split.image_folder),
        max_tokens=UNITER_PRESETS[config.student.preset].longest_text,
        shown="both",
    )
    torch.manual_seed(0)
    student = build_student(
        config.student, head=split.task.head, num_classes=len(split.classes), region_width=inputs.regions.width
    )
    objective = Objective(config.distillation, student.width, [(1, 1.0)], num_examples=len(inputs), seed=0)
    return TrainingStep(TASKS[task], student, objective, optim=optim).train(), inputs.batch(
        torch.arange(count).numpy()
    )


def halves(batch: Batch) -> list[Batch]:
    """The two halves of a batch, padded as the whole is."""
    count, rows = len(batch.indices), len(batch.words)

    def half(which: int) -> Batch:
        some = slice(which * rows // 2, (which + 1) * rows // 2)
        tensors = {
            name: getattr(batch.inputs, name)[some]
            for name in batch.inputs.__dataclass_fields__
            if getattr(batch.inputs, name) is not None
        }
        examples = slice(which * count // 2, (which + 1) * count // 2)
        return Batch(
            indices=batch.indices[examples],
            inputs=replace(batch.inputs, **tensors),
            words=batch.words[some],
            targets_BK=batch.targets_BK[examples],
        )

    return [half(0), half(1)]


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_batch_in_two_parts_is_the_step_of_the_whole(optimizer: str, cache: Path) -> None:
    optim = OptimConfig(optimizer=optimizer, lr=1e-2)
    whole, batch = made("vcr", cache)
    parted = copy.deepcopy(whole)
    before = copy.deepcopy(whole.state_dict())
    told, norm = take_step(whole, optimizer_of(whole, optim), [(batch, ())], progress=0.0, optim=optim)
    parts = [(half, ()) for half in halves(batch)]
    told_parted, norm_parted = take_step(parted, optimizer_of(parted, optim), parts, progress=0.0, optim=optim)

    assert told_parted == pytest.approx(told, rel=1e-5)
    assert norm_parted == pytest.approx(norm, rel=1e-4)
    changes = [float((value - before[name]).abs().max()) for name, value in whole.state_dict().items()]
    assert max(changes) > 1e-4
    if optimizer == "sgd":  # AdamW's first step is the sign of a gradient, be it as small as rounding
        for name, value in parted.state_dict().items():
            torch.testing.assert_close(value, whole.state_dict()[name], rtol=1e-3, atol=1e-6)


def test_momentum_carries_on_where_no_gradient_is() -> None:
    module = torch.nn.Linear(1, 1)
    optimizer = optimizer_of(module, OptimConfig(optimizer="sgd", weight_decay=0.0))
    with torch.no_grad():
        module.weight.zero_()
    for gradient in (1.0, 0.0):
        module.weight.grad = torch.tensor([[gradient]])
        module.bias.grad = torch.zeros(1)
        for group in optimizer.param_groups:
            group["lr"] = 0.1
        optimizer.step()

    assert module.weight.item() == pytest.approx(-0.1 - 0.09)


def plain_divergence(first: float, second: float) -> float:
    """KL both ways of two coins, from the definition."""
    p, q = torch.sigmoid(torch.tensor([first, second], dtype=torch.float64)).tolist()
    pairs = [(p, q), (1 - p, 1 - q), (q, p), (1 - q, 1 - p)]
    return sum(a * float(torch.log(torch.tensor(a / b, dtype=torch.float64))) for a, b in pairs)


@pytest.mark.parametrize(("first", "second"), [(0.0, 0.0), (1.0, -2.0), (3.5, 3.0), (-6.0, 2.0)])
def test_the_divergence_is_both_ways_of_kullback_and_leibler(first: float, second: float) -> None:
    found = symmetric_divergence(torch.tensor([[first]]), torch.tensor([[second]]))

    assert found.item() == pytest.approx(plain_divergence(first, second), abs=1e-6)


@pytest.mark.parametrize("task", ["snli_ve", "vqa", "vcr"])
@pytest.mark.parametrize("modality", ["text", "image"])
def test_the_adversarial_loss_is_its_formula_in_value_and_gradient(task: str, modality: str, cache: Path) -> None:
    rates = {"text_rate": 0.5 if modality == "text" else 0.0, "image_rate": 0.5 if modality == "image" else 0.0}
    config = AdversarialConfig.model_validate({**VILLA, **rates})
    module, batch = made(task, cache, OptimConfig(adversarial=config))
    bare, _ = made(task, cache)
    total, parts = module(batch, None, 0.0)
    total.backward()

    expected = plain_adversarial(bare, batch, config, modality)
    clean = task_loss(TASKS[task].head, bare.student(batch.inputs).logits, batch.targets_BK)
    (clean + expected).backward()

    assert parts["adversarial"].item() == pytest.approx(expected.item(), rel=1e-4)
    assert total.item() == pytest.approx((clean + expected).item(), rel=1e-4)
    for (name, mine), theirs in zip(module.named_parameters(), bare.parameters(), strict=True):
        if theirs.grad is None:
            assert mine.grad is None, name
        else:
            torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-3, atol=1e-5, msg=name)


def plain_adversarial(module: TrainingStep, batch: Batch, config: AdversarialConfig, modality: str) -> torch.Tensor:
    """R_m sequence by sequence where the formula is, with probabilities written out."""
    student, head, inputs = module.student, module.task.head, batch.inputs

    def chances(logits: torch.Tensor) -> torch.Tensor:
        return F.softmax(logits, dim=-1)[:, 1:] if head == "candidates" else torch.sigmoid(logits)

    clean = chances(student(inputs).logits)
    shape = (*inputs.ids_BL.shape, student.width) if modality == "text" else inputs.regions_BRF.shape
    nudge, summands = torch.zeros(shape), []
    for _ in range(config.steps):
        nudge = nudge.detach().requires_grad_()
        moved = (
            replace(inputs, nudge_BLS=nudge)
            if modality == "text"
            else replace(inputs, regions_BRF=inputs.regions_BRF + nudge)
        )
        logits = student(moved).logits
        p, q = chances(logits), clean
        both = (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()) + (
            q * (q / p).log() + (1 - q) * ((1 - q) / (1 - p)).log()
        )
        summands.append(task_loss(head, logits, batch.targets_BK) + config.kl_weight * both.sum(dim=1).mean())
        (gradient,) = torch.autograd.grad(summands[-1], nudge, retain_graph=True)
        moves = [rate * row / row.norm() for rate, row in zip([0.5] * len(gradient), gradient, strict=True)]
        nudge = nudge + torch.stack(moves)
    return sum(summands) / len(summands)


def test_disturbed_inputs_are_harder_than_undisturbed_ones(cache: Path) -> None:
    config = AdversarialConfig(steps=3, text_rate=2.0, kl_weight=0.0)
    module, batch = made("snli_ve", cache, OptimConfig(adversarial=config))
    _, parts = module(batch, None, 0.0)

    assert parts["adversarial"] > parts["task"]


def test_a_student_of_pictures_has_no_region_features_to_disturb(cache: Path) -> None:
    _, batch = made("snli_ve", cache)
    seeing = replace(batch.inputs, pixels_I3HW=torch.zeros(4, 3, 8, 8, dtype=torch.uint8))

    def unasked(inputs: object) -> tuple[torch.Tensor, torch.Tensor]:
        raise AssertionError("nothing is computed first")

    with pytest.raises(ValueError, match=r"optim\.adversarial\.image_rate .* set it to 0"):
        adversarial_loss(
            AdversarialConfig(steps=1, text_rate=0.0, image_rate=0.1), unasked, seeing, torch.zeros(4, 3), 256
        )


def test_what_would_disturb_does_not_matter_where_nothing_does() -> None:
    idle = TrialConfig.model_validate({"optim": {"adversarial": {"text_rate": 0.7}}})

    assert canonical(idle) == canonical(TrialConfig())


@pytest.mark.slow
@pytest.mark.parametrize(
    "optim",
    [
        {"adversarial": VILLA},
        {"accumulation": 4},
        {"optimizer": "sgd", "drops": [0.5], "lr": 0.01},
    ],
    ids=str,
)
def test_trials_train_so_with_distillation_too(optim: dict[str, object], cache: Path) -> None:
    def outcome(config: TrialConfig) -> dict[str, float]:
        job = TrialJob(trial_id="t", config=config, seed=1, cache=str(cache), evaluate=("val",))
        ran = run_trial(job, Alone())
        assert ran.status == "completed", ran.error
        return {point.metric: point.value for point in ran.curve if point.split == "train"}

    plain = outcome(smoke(distillation=CLIP_TD))
    found = outcome(smoke(distillation=CLIP_TD, optim=optim))

    assert found["loss"] != plain["loss"]
    assert ("adversarial" in found) == ("adversarial" in optim)


@pytest.mark.slow
def test_parts_that_are_not_equal_are_refused(cache: Path) -> None:
    job = TrialJob(trial_id="t", config=smoke(optim={"accumulation": 3}), seed=1, cache=str(cache), evaluate=("val",))
    outcome = run_trial(job, Alone())

    assert outcome.status == "failed"
    assert "optim.accumulation=3" in outcome.error
