from __future__ import annotations

import math

import pytest

from ablative.search_spaces.stopping import Halving
from ablative.search_spaces.stopping import Median
from ablative.search_spaces.stopping import best_so_far
from ablative.search_spaces.stopping import falls_behind
from ablative.search_spaces.stopping import halve
from ablative.search_spaces.stopping import median_floors
from ablative.search_spaces.stopping import promoted
from ablative.search_spaces.stopping import rungs

RULE = Halving(grace=1, reduction=2)


def test_rungs_grow_by_the_reduction_and_end_before_the_last_evaluation() -> None:
    assert rungs(Halving(grace=1, reduction=3), 9) == (1, 3)
    assert rungs(Halving(grace=2, reduction=2), 17) == (2, 4, 8, 16)
    assert rungs(RULE, 1) == ()


def test_the_best_share_goes_on_at_least_one_and_the_earlier_of_equals() -> None:
    values = {0: 0.1, 1: 0.4, 2: 0.4, 3: 0.3}
    assert promoted(values, 2, "max") == {1, 2}
    assert promoted(values, 4, "max") == {1}
    assert promoted(values, 9, "max") == {1}
    assert promoted(values, 2, "min") == {0, 3}


def test_a_rung_waits_for_all_and_then_decides() -> None:
    waiting = halve([(0.1,), (0.2,), (0.3,), ()], [], RULE, 4, "max")
    assert (waiting.stopped, waiting.waiting_at, waiting.running) == ({}, 1, (0, 1, 2, 3))
    decided = halve([(0.1,), (0.2,), (0.3,), (0.4,)], [], RULE, 4, "max")
    assert (decided.stopped, decided.waiting_at, decided.running) == ({0: 1, 1: 1}, 2, (2, 3))


def test_what_a_setting_did_beyond_a_rung_that_it_lost_changes_nothing() -> None:
    curves = [(0.1, 0.9, 0.9, 0.9), (0.2,), (0.3, 0.3), (0.4, 0.35)]
    verdict = halve(curves, [], RULE, 4, "max")
    assert verdict.stopped == {0: 1, 1: 1, 2: 2}
    assert (verdict.waiting_at, verdict.running) == (None, (3,))


def test_a_failed_setting_counts_where_it_got_to_and_no_further() -> None:
    early = halve([(), (0.2,), (0.3,)], [0], RULE, 4, "max")
    assert early.stopped == {1: 1}
    late = halve([(0.9,), (0.2,), (0.3,)], [0], RULE, 4, "max")
    assert late.stopped == {1: 1, 2: 1}
    assert (late.waiting_at, late.running) == (None, ())


def test_values_that_are_not_numbers_are_never_best() -> None:
    assert best_so_far([math.nan, 0.2, 0.1], "max") == (-math.inf, 0.2, 0.2)
    assert best_so_far([0.3, math.nan, 0.1], "min") == (0.3, 0.3, 0.1)


def test_the_floor_is_the_median_of_running_means() -> None:
    earlier = [(0.2, 0.4, 0.6), (0.4, 0.4, 0.4), (0.6, 0.8, 1.0)]
    assert median_floors(earlier, Median(grace=1, least=3), 3) == ((1, 0.4), (2, pytest.approx(0.4)))
    assert median_floors(earlier, Median(grace=2, least=3), 3) == ((2, pytest.approx(0.4)),)
    assert median_floors(earlier, Median(grace=1, least=4), 3) == ()
    assert median_floors([*earlier[:2], (0.6,)], Median(grace=1, least=3), 3) == ()


def test_asha_lets_the_first_go_on_and_stops_what_is_not_among_the_best() -> None:
    assert not falls_behind(0.1, [], 3, "max")
    assert falls_behind(0.1, [0.2], 3, "max")
    assert not falls_behind(0.2, [0.1, 0.15], 3, "max")
    assert not falls_behind(0.3, [0.1, 0.2, 0.4, 0.1, 0.2], 3, "max")
    assert falls_behind(0.3, [0.1, 0.5, 0.4, 0.1, 0.2], 3, "max")
    assert falls_behind(0.3, [0.1], 2, "min")
