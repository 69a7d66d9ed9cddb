"""A worker, a Tune actor, the driver and a raylet are killed in the middle of a study, and nothing is lost."""

from __future__ import annotations

import random
import time

import pytest

from kills import NUM_TRIALS
from kills import is_clean
from kills import play_round

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_study_survives_every_kill_with_each_trial_recorded_once() -> None:
    seed = random.Random(time.time_ns()).randrange(10**6)
    print(f"seed {seed}: python benchmarks/kills.py --rounds 1 --seed {seed}")
    found = play_round(seed)

    assert found["status"] == 0, found
    assert found["recorded"] == NUM_TRIALS, found
    assert is_clean(found), found
