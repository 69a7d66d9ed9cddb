"""What a CUDA device computes is what a CPU computes; left out where there is none."""

from __future__ import annotations

import threading
import warnings
from dataclasses import fields
from dataclasses import replace
from typing import Any

import pytest
import torch

from ablative.trainables.config import DistillationConfig
from ablative.trainables.config import OptimConfig
from ablative.trainables.config import StudentConfig
from ablative.trainables.config import TermWeights
from ablative.trainables.distillation.weightings import WEIGHTINGS
from ablative.trainables.training.devices import loaded
from ablative.trainables.training.devices import to_device
from ablative.trainables.training.loop import take_step
from ablative.trainables.training.optimizer import optimizer_of
from inference import fresh_step
from inference import random_batch
from inference import random_outputs

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

SIZE = 6
EVERY_TERM = {"terms": dict.fromkeys(TermWeights.model_fields, 1.0), "weighting": {"task": "kdar"}}
SELECTIONS = [{"draw": "sampled"}, {"score": "visual"}, {"score": "keyword"}, {"score": "random"}, {"score": "all"}]
CONFIGS: list[dict[str, Any]] = [
    {},
    EVERY_TERM,
    {"terms": {"tokens": 1.0}, "adaptation": {"of": "student", "share": 0.5}},
    *({**EVERY_TERM, "selection": selection} for selection in SELECTIONS),
    *({**EVERY_TERM, "weighting": {"confidence": confidence}} for confidence in WEIGHTINGS),
]


def in_doubles(value: Any) -> Any:
    """A dataclass of tensors with every floating one in double precision."""
    found = {field.name: getattr(value, field.name) for field in fields(value)}
    return replace(
        value,
        **{
            name: one.double() if isinstance(one, torch.Tensor) and one.is_floating_point() else one
            for name, one in found.items()
        },
    )


def step_on(device: str, config: dict[str, Any]) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
    """Losses and gradients of a first step in double precision, dropout off."""
    module = (
        fresh_step(StudentConfig(init="scratch"), DistillationConfig.model_validate(config), SIZE)
        .double()
        .to(device)
        .eval()
    )
    batch = random_batch(SIZE)
    batch = replace(batch, inputs=in_doubles(batch.inputs), targets_BK=batch.targets_BK.double())
    where = torch.device(device)
    told = replace(random_outputs(SIZE), probabilities=torch.rand(SIZE, 3, generator=torch.Generator().manual_seed(2)))
    teachers = (to_device(in_doubles(told), where),) if config else ()
    loss, parts = module(to_device(batch, where), teachers, 0.25)
    loss.backward()
    gradients = {name: p.grad.cpu() for name, p in module.named_parameters() if p.grad is not None}
    return {"loss": loss.item(), **{name: value.item() for name, value in parts.items()}}, gradients


@pytest.mark.parametrize("config", CONFIGS, ids=[str(number) for number in range(len(CONFIGS))])
def test_losses_and_gradients_of_every_objective_are_those_of_a_cpu(config: dict[str, Any]) -> None:
    losses, gradients = step_on("cpu", config)
    on_gpu, gradients_on_gpu = step_on("cuda", config)

    assert on_gpu == pytest.approx(losses, rel=1e-5)
    assert gradients.keys() == gradients_on_gpu.keys() and len(gradients) > 20
    for name, expected in gradients.items():
        torch.testing.assert_close(gradients_on_gpu[name], expected, rtol=1e-4, atol=1e-7, msg=name)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_distilled_step_waits_for_the_gpu_once(precision: str) -> None:
    config = DistillationConfig.model_validate({"terms": {"image": 1.0, "text": 1.0, "tokens": 1.0}})
    optim, device = OptimConfig.model_validate({"precision": precision}), torch.device("cuda")
    module = fresh_step(StudentConfig(), config, SIZE).to(device).train()
    optimizer = optimizer_of(module, optim)
    parts = [(to_device(random_batch(SIZE), device), (to_device(random_outputs(SIZE), device),))]
    take_step(module, optimizer, parts, progress=0.0, optim=optim)  # what is made once may wait

    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            take_step(module, optimizer, parts, progress=0.5, optim=optim)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    waits = [str(one.message) for one in told if "synchroniz" in str(one.message)]
    assert len(waits) == 1, waits


def test_batches_are_made_ahead_in_order_and_nothing_is_left_of_it() -> None:
    before = threading.active_count()
    made: list[int] = []

    def make(key: int) -> list[tuple[torch.Tensor, None]]:
        made.append(key)
        return [(torch.full((3,), key), None)]

    loading = loaded(make, range(10), torch.device("cuda"))
    [(first, _)] = next(loading)
    assert (first.device.type, first.tolist()) == ("cuda", [0, 0, 0])
    assert made in ([0], [0, 1])
    assert [part[0][0].tolist()[0] for part in loading] == list(range(1, 10))
    next(abandoned := loaded(make, range(10), torch.device("cuda")))
    abandoned.close()
    assert threading.active_count() == before


def test_what_goes_wrong_in_making_a_batch_is_raised_where_it_is_used() -> None:
    def make(key: int) -> torch.Tensor:
        return torch.ones(1) if key < 2 else torch.ones(1)[key]

    loading = loaded(make, range(4), torch.device("cuda"))
    assert [next(loading).item(), next(loading).item()] == [1.0, 1.0]
    with pytest.raises(IndexError):
        next(loading)


@pytest.mark.parametrize("config", CONFIGS[:3], ids=["plain", "every term", "adapted"])
def test_a_compiled_step_has_the_losses_of_an_eager_one_as_the_trial_goes_on(config: dict[str, Any]) -> None:
    """Over steps whose progress and batch differ: what is compiled for one must not be taken for the other."""

    def losses(compiled: bool) -> list[float]:
        module = fresh_step(StudentConfig(init="scratch"), DistillationConfig.model_validate(config), SIZE).to(device)
        module.eval()  # without dropout, which is drawn otherwise
        if compiled:
            module.compile()
        optimizer, found = optimizer_of(module, OptimConfig()), []
        for number in range(4):
            probabilities = torch.rand(SIZE, 3, generator=torch.Generator().manual_seed(number))
            told = replace(random_outputs(SIZE), probabilities=probabilities)
            parts = [(to_device(random_batch(SIZE), device), (to_device(told, device),))]
            named, norm = take_step(module, optimizer, parts, progress=number / 4, optim=OptimConfig())
            found += [named["loss"], norm]
        return found

    device = torch.device("cuda")
    assert losses(compiled=True) == pytest.approx(losses(compiled=False), rel=2e-3)
