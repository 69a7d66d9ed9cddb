"""What the figures show, and that they stand alone."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import altair as alt
import pyarrow as pa
import pytest

from ablative import analysis
from ablative.analysis.pairing.observations import observe
from ablative.analysis.plan import read_plan
from ablative.analysis.showing.figures import KINDS
from ablative.analysis.showing.figures import Figure
from ablative.analysis.showing.figures import study_figures
from ablative.analysis.showing.figures import write_figures
from ablative.analysis.showing.figures.cost import device_seconds
from ablative.analysis.showing.figures.drawing import DARK
from ablative.analysis.showing.figures.drawing import SEED_OPACITY
from ablative.analysis.showing.figures.drawing import rows_of
from ablative.analysis.showing.figures.drawing import specification
from ablative.analysis.showing.figures.drawing import svg
from ablative.analysis.showing.figures.forest import forest
from ablative.analysis.showing.figures.forest import forest_by_condition
from ablative.analysis.showing.figures.low_shot import low_shot
from ablative.analysis.showing.figures.search import parallel_coordinates
from ablative.analysis.showing.figures.search import slices
from ablative.analysis.showing.figures.shift import shift
from ablative.analysis.showing.findings import Findings
from ablative.analysis.showing.findings import against_controls
from ablative.analysis.showing.findings import strongest_first
from ablative.analysis.trials import decoded
from ablative.analysis.views.claims import claims_view
from ablative.analysis.views.effects import effects_view
from ablative.orchestrator.storing.plan import study_text
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.store import Store
from ablative.trainables.config import ROLES
from tests.helpers.results import StudyResults
from tests.helpers.simulated import NAIVE_EFFECT
from tests.helpers.simulated import TOKENS_EFFECT
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study
from tests.helpers.simulated import run_all
from tests.unit.analysis.conftest import HOSTILE

NAMES = [
    "effects", "low_shot", "effects_by_condition", "shift", "trade_off", "learning", "cost", "search_learning",
]  # fmt: skip


def found_in(study: StudyResults, keep: Callable[[Record], Record | None] = lambda record: record) -> Findings:
    plan, table = read_plan(study.stored()), study.table(keep)
    observations = observe(table, plan)
    return Findings(
        plan=plan,
        observations=observations,
        effects=effects_view(table, plan).to_pylist(),
        claims=strongest_first(claims_view(table, plan).to_pylist()),
        against_controls=against_controls(observations, plan),
        robustness=[],
    )


@pytest.fixture(scope="module")
def figures(store_uri: str) -> dict[str, Figure]:
    return {figure.name: figure for figure in study_figures(analysis.load(store_uri, "small"), "small")}


def test_a_finished_study_has_every_figure(figures: dict[str, Figure]) -> None:
    assert list(figures) == NAMES


def test_how_strongly_distillation_pulls_is_drawn_where_it_was_measured(
    store_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = analysis.load(store_uri, "small")
    confirmed = [row["trial_id"] for row in decoded(results.records("small")) if row["phase"] == "confirm"]
    shares = {trial: 0.1 + number for number, trial in enumerate(dict.fromkeys(confirmed))}
    place = {"study": "small", "step": 0, "split": "train", "seconds": 0.0}
    told = [
        {**place, "trial_id": trial, "metric": metric, "value": value}
        for trial, share in shares.items()
        for metric, value in (("gradient_ratio", share), ("gradient_cosine", -0.5))
    ]
    more = pa.Table.from_pylist(told, results.curves.schema)
    monkeypatch.setattr(results, "curves", pa.concat_tables([results.curves, more]))
    drawn = {figure.name: figure for figure in study_figures(results, "small")}
    points = [point for point in rows_of(drawn["gradients"].specification) if point["kind"] == "trial"]

    assert list(drawn) == [*NAMES[:6], "gradients", *NAMES[6:]]
    assert {point["value"] for point in points} == {*shares.values()}
    assert "train/gradient_ratio" in drawn["gradients"].svg()


def test_low_shot_curves_hold_every_mean_and_every_seed(figures: dict[str, Figure]) -> None:
    points = rows_of(figures["low_shot"].specification)

    assert sum(point["kind"] == "mean" for point in points) == 3 * 2
    assert sum(point["kind"] == "seed" for point in points) == 3 * 2 * 7 - 1


def test_the_forest_fills_a_point_only_where_a_difference_was_shown(figures: dict[str, Figure]) -> None:
    points = rows_of(figures["effects"].specification)

    assert {point["line"] for point in points if point.get("shown")} == {"clip_td"}
    assert not any(point["shown"] for point in points if point["arm"] == HOSTILE and point["kind"] == "mean")


def test_the_effects_hold_claims_primary_comparisons_and_arms_less_controls() -> None:
    claims = {"real": {"arm": "clip_td", "against": "shuffled_teacher"}}
    found = found_in(StudyResults(effect={"clip_td": 0.05}, comparisons={"claims": claims}))
    drawn = specification(forest(found))

    titles = [part["title"] for part in drawn["vconcat"]]
    assert titles == [
        "declared claims",
        "test/accuracy: difference to no_distillation",
        "test/accuracy: difference to the control shuffled_teacher",
    ]
    means = [point for point in rows_of(drawn) if point["kind"] == "mean"]
    assert [point["line"] for point in means] == [
        "real", "naive_distillation", "clip_td", "shuffled_teacher", "naive_distillation",
    ]  # fmt: skip
    assert all(point["n"] == 12 and point["low"] < point["difference"] < point["high"] for point in means)
    told = {
        tip.get("title")
        for part in drawn["vconcat"]
        for layer in part["layer"]
        for tip in layer["encoding"].get("tooltip", [])
    }
    assert {"95 % interval from", "to", "n (pairs)", "p, corrected"} <= told


def test_one_condition_is_not_drawn_twice() -> None:
    found = found_in(StudyResults(conditions={}, effect={"clip_td": 0.05}, proposals=1))

    assert forest_by_condition(found) is None
    assert len(rows_of(specification(forest(found)))) > 0


def test_under_shift_arms_are_compared_in_pairs_on_each_shifted_test() -> None:
    found = found_in(StudyResults(effect={"clip_td": 0.05}, proposals=1))
    differences, falls = specification(shift(found))["hconcat"]

    assert [part["title"] for part in differences["vconcat"]] == [
        "test_priors: difference to no_distillation", "test_style: difference to no_distillation",
    ]  # fmt: skip
    assert [part["title"] for part in falls["vconcat"]] == ["test_priors minus test", "test_style minus test"]
    points = rows_of(specification(shift(found)))
    clip_td = [point for point in points if point.get("line") == "clip_td" and point["kind"] == "mean"]
    on_style = next(row for row in found.effects if row["metric"] == "test_style/accuracy" and row["arm"] == "clip_td")
    assert clip_td[1]["difference"] == pytest.approx(on_style["difference"], rel=1e-3)
    assert clip_td[1]["shown"] == (on_style["verdict"] == "better")


def test_the_shift_gap_is_taken_inside_each_trial(figures: dict[str, Figure]) -> None:
    points = rows_of(figures["shift"].specification)
    gaps = {point["arm"]: point["gap"] for point in points if point["kind"] == "mean" and "gap" in point}

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

    for text in drawn:
        ElementTree.fromstring(text)  # well-formed
        assert not re.search(r"(href|src)=", text)
        assert set(re.findall(r"url\(#([^)]+)\)", text)) <= set(re.findall(r'\bid="([^"]+)"', text))
        assert "<script" not in text
        assert "currentColor" in text
    ids = [name for text in drawn for name in re.findall(r'\bid="([^"]+)"', text)]
    assert len(ids) == len(set(ids))


@pytest.mark.slow
def test_figures_are_written_as_files(store_uri: str, tmp_path: Path) -> None:
    files = write_figures(store_uri, "small", tmp_path / "figures", kinds=KINDS)

    assert [path.name for path in files] == [f"{name}.{kind}" for name in NAMES for kind in KINDS]
    begins = {"svg": b"<svg", "png": b"\x89PNG", "pdf": b"%PDF", "json": b"{"}
    assert all(path.read_bytes().startswith(begins.get(path.suffix[1:], b"")) for path in files)
    points = list(csv.DictReader((tmp_path / "figures" / "low_shot.csv").open(encoding="utf-8")))
    assert sum(point["kind"] == "seed" for point in points) == 3 * 2 * 7 - 1


def test_figures_without_data_are_left_out(store_uri: str) -> None:
    names = [figure.name for figure in study_figures(analysis.load(store_uri, "unfinished"), "unfinished")]
    nothing = found_in(StudyResults(conditions={}, proposals=1), lambda _: None)

    assert names == ["cost", "search_learning"]
    assert [draw(nothing) for draw in (forest, forest_by_condition, low_shot, shift)] == [None] * 4


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


def test_the_axis_of_a_parameter_is_logarithmic_where_its_domain_is_and_its_labels_differ() -> None:
    study = StudyResults(
        conditions={}, setting=lambda proposal: {"optim.lr": 5e-4 * 2**proposal, "optim.weight_decay": 10.0**-proposal}
    )
    space = {"optim.lr": {"loguniform": [1e-4, 1e-2]}, "optim.weight_decay": {"uniform": [0.001, 1.0]}}
    plan = read_plan({**study.stored(), "search": {"space": space}})
    drawn = specification(slices(decoded(study.table()), plan))
    lr, decay = (panel["encoding"]["x"] for panel in drawn["concat"])

    assert lr["scale"]["type"] == "log" and "type" not in decay["scale"]
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg(drawn, "search_slices"))
    labels = texts[: texts.index("lr")]
    assert labels == ["5e-4", "1e-3", "2e-3"]


def test_rounding_pixels_leaves_texts_alone() -> None:
    drawn = {"data": {"values": [{"x": 0.00012, "y": 1}]}, "mark": "text", "title": "lr=0.00012"}
    assert ">lr=0.00012<" in svg(specification(alt.Chart.from_dict(drawn)), "one")


def test_parallel_coordinates_need_settings_enough() -> None:
    both = lambda proposal: {"optim.lr": 10.0**-proposal, "optim.weight_decay": 0.1 * proposal}  # noqa: E731
    few = StudyResults(arms=("one", "two"), control="", conditions={}, setting=both)
    plan = read_plan(few.stored())

    assert parallel_coordinates(decoded(few.table()), plan) is None
    assert slices(decoded(few.table()), plan) is not None


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_small_points_are_seen_on_a_dark_page_as_well_as_on_a_light_one() -> None:
    def contrast(colour: str, paper: str) -> float:
        over = [
            round(SEED_OPACITY * int(colour[at : at + 2], 16) + (1 - SEED_OPACITY) * int(paper[at : at + 2], 16))
            for at in (1, 3, 5)
        ]
        seen, ground = luminance("#" + "".join(f"{value:02x}" for value in over)), luminance(paper)
        return (max(seen, ground) + 0.05) / (min(seen, ground) + 0.05)

    assert all(contrast(lighter, "#16171a") > 2.5 for lighter in DARK.values())


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
    store.write_study("simulated", study_text(study, ROLES, queue.plan()))

    drawn = {figure.name: figure for figure in study_figures(analysis.load(str(tmp_path)), "simulated")}
    cells = {(row["first"], row["second"]): row["mean"] for row in rows_of(drawn["factors"].specification)}
    assert cells["with_image", "base"] - cells["base", "base"] == pytest.approx(NAIVE_EFFECT, abs=0.01)
    assert cells["base", "with_tokens"] - cells["base", "base"] == pytest.approx(TOKENS_EFFECT, abs=0.01)
