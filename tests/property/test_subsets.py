"""Low-shot subsets, for all splits, fractions and seeds."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from ablative.trainables.data.examples import Candidate
from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.examples import Text
from ablative.trainables.data.subsets import subset
from tests.helpers.tasks import TASKS

GROUPS = st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=60)
"""The strata of each group's examples."""
FRACTIONS = st.floats(min_value=0.001, max_value=1.0)
SEEDS = st.integers(min_value=0, max_value=2**31)


def make_split(groups: list[str]) -> TaskSplit:
    examples = tuple(
        Example(
            id=f"{place}/{stratum}",
            image="a.jpg",
            candidates=(Candidate(query=Text(text="?")),),
            targets=((0, 1.0),),
            stratum=stratum,
            group=str(place),
        )
        for place, strata in enumerate(groups)
        for stratum in strata
    )
    return TaskSplit(task=TASKS["vcr"], split="train", examples=examples, image_folder="", boxes={}, classes=())


def ids(split: TaskSplit) -> list[str]:
    return [example.id for example in split.examples]


@settings(max_examples=60, deadline=None)
@given(GROUPS, FRACTIONS, FRACTIONS, SEEDS)
def test_a_smaller_subset_lies_in_a_larger_one(groups: list[str], one: float, other: float, seed: int) -> None:
    split = make_split(groups)
    small, large = sorted((one, other))

    assert set(ids(subset(split, small, seed))) <= set(ids(subset(split, large, seed)))


@settings(max_examples=60, deadline=None)
@given(GROUPS, FRACTIONS, SEEDS)
def test_groups_stay_whole_and_examples_keep_their_order(groups: list[str], fraction: float, seed: int) -> None:
    split = make_split(groups)
    chosen = subset(split, fraction, seed)
    kept = {example.group for example in chosen.examples}

    assert ids(chosen) == [example.id for example in split.examples if example.group in kept]


@settings(max_examples=60, deadline=None)
@given(GROUPS, FRACTIONS, SEEDS)
def test_each_stratum_gives_its_share_and_at_least_one_group(groups: list[str], fraction: float, seed: int) -> None:
    split = make_split(groups)
    kept = {int(example.group) for example in subset(split, fraction, seed).examples}
    counts = Counter(groups[place] for place in kept)

    for stratum, total in Counter(groups).items():
        assert 1 <= counts[stratum] <= total
        assert abs(counts[stratum] - max(1, fraction * total)) <= 0.5 + 1e-9


@settings(max_examples=30, deadline=None)
@given(GROUPS, FRACTIONS, SEEDS, st.randoms(use_true_random=False))
def test_the_order_of_the_examples_does_not_matter(groups: list[str], fraction: float, seed: int, random) -> None:  # type: ignore[no-untyped-def]
    split = make_split(groups)
    shuffled = list(split.examples)
    random.shuffle(shuffled)
    other = TaskSplit(**{name: getattr(split, name) for name in split.__slots__} | {"examples": tuple(shuffled)})

    assert set(ids(subset(split, fraction, seed))) == set(ids(subset(other, fraction, seed)))


def test_seeds_draw_different_subsets() -> None:
    split = make_split(["a"] * 200)
    drawn = {tuple(ids(subset(split, 0.1, seed))) for seed in range(20)}

    assert len(drawn) == 20
    assert all(len(row) == 20 for row in drawn)


def test_fractions_outside_their_range_are_refused() -> None:
    for fraction in (0.0, -0.1, 1.01):
        with pytest.raises(ValueError, match="data_fraction"):
            subset(make_split(["a"]), fraction, 0)
