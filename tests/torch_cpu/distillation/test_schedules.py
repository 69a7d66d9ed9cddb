from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablative.trainables.config import WeightingConfig
from ablative.trainables.distillation.schedules import SCHEDULES
from ablative.trainables.distillation.schedules import multiplier


def test_every_schedule_of_the_configuration_is_in_the_table():
    assert set(SCHEDULES) == set(get_args(WeightingConfig.model_fields["schedule"].annotation))


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        ("constant", [1, 1, 1, 1, 1]),
        ("linear", [1, 0.85, 0.7, 0.5, 0]),
        ("cosine", [1, 0.9455032620941839, 0.7938926261462366, 0.5, 0]),
        ("warmup", [0, 0.5, 1, 1, 1]),
    ],
)
def test_schedules_pass_through_known_points(schedule, values):
    assert [multiplier(schedule, p) for p in (0, 0.15, 0.3, 0.5, 1)] == pytest.approx(values, abs=1e-12)


@given(schedule=st.sampled_from(sorted(SCHEDULES)), a=st.floats(0, 1), b=st.floats(0, 1))
def test_schedules_stay_in_the_unit_interval_and_never_turn_back(schedule, a, b):
    early, late = sorted((a, b))
    first, second = multiplier(schedule, early), multiplier(schedule, late)
    assert 0 <= first <= 1
    assert 0 <= second <= 1
    assert first <= second if schedule == "warmup" else first >= second


@pytest.mark.parametrize("progress", [-0.01, 1.01, float("nan")])
def test_progress_outside_the_unit_interval_is_refused(progress):
    with pytest.raises(ValueError, match="progress"):
        multiplier("linear", progress)
