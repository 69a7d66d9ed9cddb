"""What a setting reached has one answer, whoever asks."""

from __future__ import annotations

import math

import pytest

from ablative.orchestrator.reached import Ended
from ablative.orchestrator.reached import mean_of
from ablative.orchestrator.reached import reached


@pytest.mark.parametrize(
    ("trials", "state", "value"),
    [
        ([("completed", 0.5), ("completed", 0.7)], "completed", 0.6),
        ([("completed", 0.5), None], "unfinished", None),
        ([], "unfinished", None),
        ([("stopped", 0.4), ("completed", 0.6)], "stopped", 0.5),
        ([("stopped", None), ("completed", 0.6)], "stopped", None),
        ([("stopped", 0.4), None], "stopped", None),
        ([("failed", None), ("stopped", 0.4)], "failed", None),
        ([("stopped", 0.4), ("failed", None)], "failed", None),
        ([("failed", None), None], "failed", None),
        ([("completed", math.nan), ("completed", 0.6)], "failed", None),
        ([("completed", None), ("stopped", 0.6)], "failed", None),
    ],
)
def test_a_failure_outweighs_a_stop_and_a_stop_what_is_owed(
    trials: list[Ended | None], state: str, value: float | None
) -> None:
    found = reached(trials)

    assert found.state == state
    assert found.value == (None if value is None else pytest.approx(value))


def test_a_mean_is_of_finite_values_only() -> None:
    assert mean_of([0.5, None, math.inf, 0.7]) == pytest.approx(0.6)
    assert mean_of([None, math.nan]) is None
