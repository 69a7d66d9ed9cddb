from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from ablative.search_spaces.domains import Choice
from ablative.search_spaces.domains import Domain
from ablative.search_spaces.domains import LogRandInt
from ablative.search_spaces.domains import LogUniform
from ablative.search_spaces.domains import QUniform
from ablative.search_spaces.domains import RandInt
from ablative.search_spaces.domains import Uniform
from ablative.search_spaces.initial_settings import initial_settings
from ablative.search_spaces.initial_settings import value_at_share
from ablative.trainables.config import TrialConfig

LR = ("optim.lr", LogUniform(loguniform=(1e-5, 1e-2)))
RATIO = ("distillation.selection.ratio", Uniform(uniform=(0.1, 0.9)))
DOMAINS: list[Domain] = [
    LR[1],
    RATIO[1],
    QUniform(quniform=(0.1, 0.9, 0.1)),
    RandInt(randint=(3, 9)),
    LogRandInt(lograndint=(1, 1000)),
    Choice(choice=("linear", "cosine", "constant")),
]


def _draw(*space: tuple[str, Domain], batch: int = 0, size: int = 4, seed: int = 0) -> list[dict[str, object]]:
    return initial_settings(space, TrialConfig(), seeds=(seed,), batch=batch, size=size)


def test_arms_that_share_a_parameter_try_the_same_values_of_it() -> None:
    alone = [setting["optim.lr"] for setting in _draw(LR)]
    together = [setting["optim.lr"] for setting in _draw(RATIO, LR)]
    assert alone == together


def test_batches_seeds_and_parameters_draw_differently() -> None:
    first = _draw(LR)
    assert _draw(LR) == first
    assert _draw(LR, batch=1) != first
    assert _draw(LR, seed=1) != first
    renamed = _draw(("optim.weight_decay", LR[1]))
    assert [s["optim.weight_decay"] for s in renamed] != [s["optim.lr"] for s in first]


@pytest.mark.parametrize("size", [1, 3, 8])
def test_a_batch_has_one_value_in_every_stratum(size: int) -> None:
    shares = [(math.log10(float(s["optim.lr"])) + 5) / 3 for s in _draw(LR, size=size)]  # type: ignore[arg-type]
    assert sorted(int(share * size) for share in shares) == list(range(size))


@given(st.sampled_from(DOMAINS), st.floats(0, 1, exclude_max=True))
@settings(max_examples=200)
def test_every_value_lies_in_its_domain(domain: Domain, share: float) -> None:
    assert domain.contains(value_at_share(domain, share))


def test_every_whole_value_is_reached() -> None:
    shares = [(index + 0.5) / 600 for index in range(600)]
    assert {value_at_share(DOMAINS[3], share) for share in shares} == {3, 4, 5, 6, 7, 8}
    assert {value_at_share(DOMAINS[5], share) for share in shares} == {"linear", "cosine", "constant"}


def test_a_parameter_is_drawn_only_where_its_requirement_holds() -> None:
    schedule = ("distillation.weighting.schedule", Choice(choice=("constant", "warmup")))
    decay = ("optim.warmup_fraction", Uniform(uniform=(0.0, 0.5), when={schedule[0]: "warmup"}))
    drawn = _draw(schedule, decay, size=8)
    assert all(("optim.warmup_fraction" in s) == (s[schedule[0]] == "warmup") for s in drawn)
    assert {s[schedule[0]] for s in drawn} == {"constant", "warmup"}
