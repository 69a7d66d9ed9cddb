"""What the figures show, and that they stand alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import analysis
from analysis.figures import Figure
from analysis.figures import study_figures
from analysis.figures import write_figures
from analysis.figures.cost import device_seconds
from analysis.figures.forest import forest
from analysis.figures.low_shot import low_shot
from analysis.figures.shift import shift_gap
from analysis.plan import read_plan
from tests.helpers.results import StudyResults
from tests.unit.analysis.conftest import HOSTILE


@pytest.fixture(scope="module")
def figures(store_uri: str) -> dict[str, Figure]:
    return {figure.name: figure for figure in study_figures(analysis.load(store_uri, "small"), "small")}


def values_of(chart: Any) -> list[dict[str, Any]]:
    datasets = chart.to_dict()["datasets"]
    return [value for dataset in datasets.values() for value in dataset]


def test_a_finished_study_has_every_figure(figures: dict[str, Figure]) -> None:
    assert list(figures) == ["low_shot", "effects", "shift", "learning", "cost"]


def test_low_shot_curves_hold_every_mean_and_every_seed(figures: dict[str, Figure]) -> None:
    points = values_of(figures["low_shot"].chart)

    assert sum(point["kind"] == "mean" for point in points) == 3 * 2
    assert sum(point["kind"] == "seed" for point in points) == 3 * 2 * 7 - 1


def test_the_forest_fills_a_point_only_where_a_difference_was_shown(figures: dict[str, Figure]) -> None:
    points = values_of(figures["effects"].chart)

    assert {(point["arm"], point["panel"]) for point in points if point["shown"]} >= {("clip_td", "all conditions")}
    assert not any(point["shown"] for point in points if point["arm"] == HOSTILE)
    assert points[0]["panel"] == "all conditions"


def test_the_shift_gap_is_taken_inside_each_trial(figures: dict[str, Figure]) -> None:
    gaps = {point["arm"]: point["gap"] for point in values_of(figures["shift"].chart)}

    expected = -0.1 - 0.01 * sum(seed % 3 for seed in range(1, 8)) / 7
    assert gaps["clip_td"] == pytest.approx(expected)
    assert gaps["no_distillation"] == pytest.approx(expected)


def test_cost_counts_a_trial_once_and_not_what_another_study_paid() -> None:
    row = {"arm": "a", "phase": "search", "device_seconds": 10.0, "source_study": ""}

    spent = device_seconds(
        [
            {**row, "trial_id": "1"},
            {**row, "trial_id": "1", "phase": "confirm"},
            {**row, "trial_id": "2", "source_study": "earlier"},
        ]
    )

    assert spent == {("a", "search"): 10.0, ("a", "taken from another study"): 10.0}


def test_svgs_stand_alone_and_share_no_id(figures: dict[str, Figure]) -> None:
    drawn = [figure.svg() for figure in figures.values()]

    for svg in drawn:
        ElementTree.fromstring(svg)  # well-formed
        assert not re.search(r"(href|src)=", svg)
        assert set(re.findall(r"url\(#([^)]+)\)", svg)) <= set(re.findall(r'\bid="([^"]+)"', svg))
        assert "<script" not in svg
        assert "currentColor" in svg
    ids = [name for svg in drawn for name in re.findall(r'\bid="([^"]+)"', svg)]
    assert len(ids) == len(set(ids))


def test_figures_are_written_as_files(store_uri: str, tmp_path: Path) -> None:
    files = write_figures(store_uri, "small", tmp_path / "figures", kinds=("png",))

    assert [path.name for path in files] == [
        f"{name}.png" for name in ("low_shot", "effects", "shift", "learning", "cost")
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in files)


def test_figures_without_data_are_left_out(store_uri: str) -> None:
    names = [figure.name for figure in study_figures(analysis.load(store_uri, "unfinished"), "unfinished")]
    study = StudyResults(conditions={}, proposals=1)
    plan = read_plan(study.stored())

    assert names == ["cost"]
    assert forest([], plan) is None
    assert low_shot([], study.table(), plan) is None
    assert shift_gap(study.table(lambda _: None), plan) is None
