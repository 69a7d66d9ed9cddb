"""How a study's cells find their settings: what does not go together is refused, with what would."""

from __future__ import annotations

import pytest

from tests.helpers.study_text import HEAD
from tests.helpers.study_text import load
from tests.helpers.study_text import loaded
from tests.helpers.study_text import mistakes

SEARCHED = f"""{HEAD}
arms:
  listed: {{words: {{}}, no_words: {{distillation.terms.tokens: 0.0}}}}
search:
  trials: 4
  space:
    optim.lr: {{loguniform: [1e-5, 1e-3]}}
    distillation.selection.ratio: {{uniform: [0.1, 0.9]}}
"""
SHARED = "search.shared=true"
APART = "arms.controls={faster: {optim.lr: 0.001}}"


def told(*overrides: str) -> list[str]:
    return [f"{mistake.path}: {mistake.found}; {mistake.expected}" for mistake in mistakes(SEARCHED, *overrides)]


def test_arms_may_share_a_setting_where_one_of_them_searches_all_that_the_others_do() -> None:
    assert load(SEARCHED, SHARED).search.shared
    assert told(SHARED, APART) == []
    (said,) = told(SHARED, "arms.listed={no_words: {distillation.terms.tokens: 0.0}}", APART)
    assert said.startswith("search.shared: faster searches distillation.selection.ratio, but no_words")
    assert "leave search.shared out" in said


@pytest.mark.parametrize(
    "override, path",
    [
        ("search.stop={halving: {grace: 1}}", "search.stop"),
        ("search.cost={path: optim.lr, weight: 0.1}", "search.cost"),
        ("search.warm_start=earlier", "search.warm_start"),
        ("search.device_seconds=60", "search.device_seconds"),
    ],
)
def test_what_treats_each_arm_by_itself_is_refused_beside_a_shared_setting(override: str, path: str) -> None:
    (said,) = told(SHARED, override, "search.batch=4", "base.optim.evaluations=4")
    assert said.startswith(f"{path}: ")
    assert "left out beside search.shared" in said


def test_a_path_and_an_empty_space_have_nothing_to_share() -> None:
    path = ("arms={design: path, factors: {a: {with: {student.dropout: 0.2}}, b: {with: {optim.epochs: 9}}}}",)
    assert any(said.startswith("search.shared: a shared setting in the design path") for said in told(SHARED, *path))
    assert any("an empty search.space" in said for said in told(SHARED, "search={trials: 1, shared: true}"))


NESTED = "seeds.nested=true"
REPEATED = ("search.repeats=2", "seeds.search=[10, 11]")


def test_nested_seeds_repeats_and_a_shared_setting_are_three_ways_of_which_one_is_taken() -> None:
    assert told(NESTED, SHARED)[0].startswith("seeds.nested: found seeds.nested beside search.shared"[:12])
    assert any("alternative ways to find settings" in said for said in told(SHARED, *REPEATED))
    assert told(NESTED) == told(*REPEATED) == []


@pytest.mark.parametrize("way", [(NESTED,), REPEATED])
def test_several_searches_that_learn_from_one_or_trade_are_refused(way: tuple[str, ...]) -> None:
    assert any(
        said.startswith("search.warm_start: earlier; left out") for said in told(*way, "search.warm_start=earlier")
    )
    assert any("given a search.cost.weight" in said for said in told(*way, "search.cost={path: optim.lr}"))
    path = "arms={design: path, factors: {a: {with: {student.dropout: 0.2}}, b: {with: {optim.epochs: 9}}}}"
    assert any("in the design path; left out" in said for said in told(*way, path))
    assert any("but an empty search.space" in said for said in told(*way, "search.space={}", "search.trials=1"))


def test_search_seeds_are_divided_among_the_repeats_without_rest() -> None:
    (said,) = told("search.repeats=2", "seeds.search=[10, 11, 12]")
    assert said.startswith("seeds.search: 3 seeds; as many as search.repeats (2)")
    (said,) = told("search.repeats=7", "seeds.search=10-16")
    assert said.startswith("search.repeats: 7; at most 6")


def test_search_seeds_beside_nested_ones_are_not_used_and_it_is_said() -> None:
    (warning,) = loaded(SEARCHED, NESTED, "seeds.search=[0, 9]", "seeds.confirm=1-12").warnings[-1:]
    assert (warning.path, warning.found) == ("seeds.search", "search seeds that are not used")
    assert load(SEARCHED, NESTED, "seeds.confirm=0-5").seeds.confirm[0] == 0
