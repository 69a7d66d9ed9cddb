from __future__ import annotations

from functools import reduce
from itertools import combinations
from operator import xor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablative.search_spaces.fractional import achieved_resolution
from ablative.search_spaces.fractional import columns
from ablative.search_spaces.fractional import confounded
from ablative.search_spaces.fractional import runs

SIZES = st.integers(1, 9)
RESOLUTIONS = st.sampled_from([3, 4, 5])


def signs(num_factors: int, resolution: int) -> np.ndarray:
    """Runs by factors, 1 at the other level and -1 at the base's."""
    return np.where(np.array(list(runs(columns(num_factors, resolution)))), 1, -1)


@given(SIZES, RESOLUTIONS)
def test_columns_are_balanced_and_orthogonal_and_the_base_is_a_run(num_factors: int, resolution: int) -> None:
    design = signs(num_factors, resolution)
    assert (design[0] == -1).all()
    assert len(np.unique(design, axis=0)) == len(design)
    assert (design.sum(axis=0) == 0).all()
    assert (design.T @ design == len(design) * np.eye(num_factors)).all()


@given(SIZES, RESOLUTIONS)
def test_the_resolution_is_at_least_what_was_asked(num_factors: int, resolution: int) -> None:
    of = columns(num_factors, resolution)
    achieved = achieved_resolution(of)
    assert achieved is None or achieved >= resolution
    for count in range(1, min(resolution, num_factors + 1)):
        assert all(reduce(xor, chosen) != 0 for chosen in combinations(of, count))


@pytest.mark.parametrize(
    ("num_factors", "resolution", "num_runs"),
    [
        (3, 3, 4),
        (7, 3, 8),
        (15, 3, 16),
        (4, 4, 8),
        (8, 4, 16),
        (5, 5, 16),
        (6, 5, 32),
        (8, 5, 64),
        (2, 5, 4),
        (4, 5, 16),
    ],
)
def test_designs_are_as_small_as_the_published_ones(num_factors: int, resolution: int, num_runs: int) -> None:
    """Box, Hunter and Hunter, Statistics for Experimenters, table 12.15; 2^4 has no fraction of resolution V."""
    assert len(signs(num_factors, resolution)) == num_runs


@given(SIZES, RESOLUTIONS)
def test_effects_are_confounded_exactly_where_their_columns_of_signs_agree(num_factors: int, resolution: int) -> None:
    names = [f"f{number}" for number in range(num_factors)]
    design = signs(num_factors, resolution)
    effects = {name: design[:, number] for number, name in enumerate(names)}
    for one, other in combinations(names, 2):
        effects[f"{one}:{other}"] = effects[one] * effects[other]
    groups = confounded(columns(num_factors, resolution), names)
    told = {frozenset(pair) for group in groups for pair in combinations(group, 2)}
    pairs = combinations(effects, 2)
    equal = {frozenset(pair) for pair in pairs if abs(effects[pair[0]] @ effects[pair[1]]) == len(design)}
    assert told == equal


def test_resolution_four_keeps_main_effects_clear() -> None:
    names = list("abcdefgh")
    assert all(":" in effect for group in confounded(columns(8, 4), names) for effect in group)
    assert any(":" not in effect for group in confounded(columns(7, 3), names[:7]) for effect in group)
