"""How often a study in which nothing is true finds something by the luck of its search."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from ablative.search_spaces.search_risk import Scatter
from ablative.search_spaces.search_risk import SearchDesign
from ablative.search_spaces.search_risk import assumed
from ablative.search_spaces.search_risk import measured
from ablative.search_spaces.search_risk import risk
from ablative.search_spaces.search_risk import risk_line
from search_luck import DESIGNS
from search_luck import SHAPES
from search_luck import design_of
from search_luck import point

LADDER = SearchDesign(
    kind="single", settings=3, search_seeds=1, searches=1, seeds=6, tasks=3, comparisons=13, cells=126
)


def risk_of(**changes: Any) -> float:
    design = replace(LADDER, **changes)
    return risk(design, assumed(design))


def test_more_confirm_seeds_alone_make_it_worse_and_more_search_seeds_better() -> None:
    by_confirm = [risk_of(seeds=seeds) for seeds in (6, 12, 24)]
    by_search = [risk_of(search_seeds=seeds) for seeds in (1, 2, 3, 6)]
    by_repeats = [risk_of(searches=repeats) for repeats in (1, 2, 3, 6)]
    assert by_confirm == sorted(by_confirm) and by_confirm[0] > 0.15 and by_confirm[-1] > 0.7
    assert by_search == sorted(by_search, reverse=True)
    assert by_repeats == sorted(by_repeats, reverse=True)
    assert all(repeated < averaged for repeated, averaged in zip(by_repeats[1:], by_search[1:], strict=True))


@pytest.mark.parametrize("kind", ["nested", "shared"])
def test_nested_seeds_and_a_shared_setting_hold_the_level_however_many_seeds(kind: str) -> None:
    assert all(risk_of(kind=kind, searches=seeds, seeds=seeds) <= 0.05 for seeds in (6, 12, 24))


def test_without_luck_every_correction_has_its_own_level() -> None:
    still = Scatter(luck=0.0)
    assert risk(replace(LADDER, comparisons=1), still) == pytest.approx(0.05, abs=0.002)
    assert 0.03 < risk(LADDER, still) < 0.05
    assert risk(replace(LADDER, correction="max_t"), still) == pytest.approx(0.05, abs=0.002)
    assert risk(replace(LADDER, correction="none"), still) > 0.3


def test_a_study_that_can_show_nothing_finds_nothing_and_has_no_line() -> None:
    few = replace(LADDER, seeds=2)
    assert risk(few, assumed(few)) == 0.0
    assert risk_line(few, assumed(few)) == ""


@pytest.mark.parametrize("name, kind, search_seeds, searches, seeds", DESIGNS, ids=[design[0] for design in DESIGNS])
def test_what_it_expects_is_what_simulated_studies_do(
    name: str, kind: Any, search_seeds: int, searches: int, seeds: int
) -> None:
    design = design_of(SHAPES[0], kind, search_seeds, searches, seeds)
    found = point(SHAPES[0], name, design, studies=200, seed=1)
    assert found["false_positives"] == pytest.approx(found["expected"], abs=0.1)


def test_the_line_names_what_would_hold_the_level_and_what_that_costs() -> None:
    line = risk_line(LADDER, assumed(LADDER))
    assert line.startswith("With 1 search seed, about 2")
    assert "`seeds.nested` holds the rate at the cost of 2268 trials instead of 1134" in line
    assert "`search.shared` (equal, not tuned) at no extra cost" in line
    assert "assuming usual searches" in line
    assert "measured on 126 searches" in risk_line(LADDER, Scatter(luck=0.5, cells=126))
    assert risk_line(LADDER.nested(), assumed(LADDER)).endswith("of null studies like this have a false positive.")


def searches_of(rng: Random, spread: float, settings: int = 4) -> list[float]:
    true = [rng.gauss(0, spread) for _ in range(settings)]
    return [value + rng.gauss(0, 1) for value in true]


def test_the_scatter_is_measured_on_records_and_settings_alike_are_no_luck() -> None:
    rng = Random(1)
    confirmed = {
        f"condition {n}": {arm: {seed: rng.gauss(0, 1) for seed in range(10)} for arm in ("a", "b", "c")}
        for n in range(20)
    }
    alike = measured([searches_of(rng, 0.0) for _ in range(200)], confirmed, 1)
    apart = measured([searches_of(rng, 1.0) for _ in range(200)], confirmed, 1)
    assert alike is not None and apart is not None
    assert alike.luck < 0.05
    assert apart.luck == pytest.approx(assumed(replace(LADDER, settings=4)).luck, rel=0.4)
    assert apart.cells == 200
    assert measured([[0.1, 0.2]], confirmed, 1) is None
    assert measured([searches_of(rng, 1.0)] * 10, {}, 1) is None
