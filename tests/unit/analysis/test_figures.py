"""What the figures show, and that they stand alone."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

import analysis
from analysis.figures import KINDS
from analysis.figures import Figure
from analysis.figures import study_figures
from analysis.figures import write_figures
from analysis.figures.cost import device_seconds
from analysis.figures.drawing import rows_of
from analysis.figures.drawing import specification
from analysis.figures.forest import forest
from analysis.figures.low_shot import low_shot
from analysis.figures.search import parallel_coordinates
from analysis.figures.search import slices
from analysis.figures.shift import shift_gap
from analysis.plan import read_plan
from analysis.trials import decoded
from orchestrator.plan import study_text
from orchestrator.records import Record
from orchestrator.store import Store
from tests.helpers.results import StudyResults
from tests.helpers.simulated import NAIVE_EFFECT
from tests.helpers.simulated import TOKENS_EFFECT
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study
from tests.helpers.simulated import run_all
from tests.unit.analysis.conftest import HOSTILE


@pytest.fixture(scope="module")
def figures(store_uri: str) -> dict[str, Figure]:
    return {figure.name: figure for figure in study_figures(analysis.load(store_uri, "small"), "small")}


def test_a_finished_study_has_every_figure(figures: dict[str, Figure]) -> None:
    assert list(figures) == ["low_shot", "effects", "shift", "trade_off", "learning", "cost", "search_learning"]


def test_low_shot_curves_hold_every_mean_and_every_seed(figures: dict[str, Figure]) -> None:
    points = rows_of(figures["low_shot"].specification)

    assert sum(point["kind"] == "mean" for point in points) == 3 * 2
    assert sum(point["kind"] == "seed" for point in points) == 3 * 2 * 7 - 1


def test_the_forest_fills_a_point_only_where_a_difference_was_shown(figures: dict[str, Figure]) -> None:
    points = rows_of(figures["effects"].specification)

    assert {(point["arm"], point["panel"]) for point in points if point.get("shown")} >= {
        ("clip_td", "all conditions")
    }
    assert not any(point["shown"] for point in points if point["arm"] == HOSTILE and point["kind"] == "mean")
    assert points[0]["panel"] == "all conditions"


def test_the_shift_gap_is_taken_inside_each_trial(figures: dict[str, Figure]) -> None:
    points = rows_of(figures["shift"].specification)
    gaps = {point["arm"]: point["gap"] for point in points if point["kind"] == "mean"}

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
    files = write_figures(store_uri, "small", tmp_path / "figures", kinds=KINDS)

    names = ("low_shot", "effects", "shift", "trade_off", "learning", "cost", "search_learning")
    assert [path.name for path in files] == [f"{name}.{kind}" for name in names for kind in KINDS]
    begins = {"svg": b"<svg", "png": b"\x89PNG", "pdf": b"%PDF", "json": b"{"}
    assert all(path.read_bytes().startswith(begins.get(path.suffix[1:], b"")) for path in files)
    points = list(csv.DictReader((tmp_path / "figures" / "low_shot.csv").open(encoding="utf-8")))
    assert sum(point["kind"] == "seed" for point in points) == 3 * 2 * 7 - 1


def test_figures_without_data_are_left_out(store_uri: str) -> None:
    names = [figure.name for figure in study_figures(analysis.load(store_uri, "unfinished"), "unfinished")]
    study = StudyResults(conditions={}, proposals=1)
    plan = read_plan(study.stored())

    assert names == ["cost", "search_learning"]
    assert forest([], study.table(lambda _: None), plan) is None
    assert low_shot([], study.table(), plan) is None
    assert shift_gap(study.table(lambda _: None), plan) is None


def test_search_pictures_hold_search_trials_only_and_say_which_were_stopped() -> None:
    study = StudyResults(
        conditions={},
        setting=lambda proposal: {"optim.lr": 10.0**-proposal, "distillation.weighting.schedule": "ab"[proposal % 2]},
    )
    rows = decoded(study.table(lambda record: _stopped(record) if record.proposal == 2 else record))
    plan = read_plan(study.stored())

    points = rows_of(specification(slices(rows, plan)))
    assert {point["state"] for point in points} == {"completed", "stopped"}
    assert len(points) == 2 * 3 * len(study.arms)  # parameters, proposals
    lines = rows_of(specification(parallel_coordinates(rows, plan)))
    assert len({point["trial"] for point in lines if "trial" in point}) == 2 * len(study.arms)
    assert all(0 <= point["place"] <= 1 for point in lines)


def _stopped(record: Record) -> Record:
    return record.model_copy(update={"status": "stopped", "cause": "halving"})


def test_heat_maps_of_a_factorial_design_hold_the_known_effects(tmp_path: Path) -> None:
    factors = {
        "image": {"with": {"distillation.terms.image": 1.0}},
        "tokens": {"with": {"distillation.terms.tokens": 1.0}},
    }
    study = make_study(arms={"design": "factorial", "factors": factors})
    queue = make_queue(study)
    store = Store.open(str(tmp_path))
    for record in run_all(queue):
        store.write(record)
    store.write_study("simulated", study_text(study, queue.cells))

    drawn = {figure.name: figure for figure in study_figures(analysis.load(str(tmp_path)), "simulated")}
    cells = {(row["first"], row["second"]): row["mean"] for row in rows_of(drawn["factors"].specification)}
    assert cells["with_image", "base"] - cells["base", "base"] == pytest.approx(NAIVE_EFFECT, abs=0.01)
    assert cells["base", "with_tokens"] - cells["base", "base"] == pytest.approx(TOKENS_EFFECT, abs=0.01)
