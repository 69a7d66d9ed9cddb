"""Equivalent within a margin, or not decided: what a study says that names the differences that do not matter."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from ablative import analysis
from ablative.analysis.numbers.power import chance_beyond
from ablative.analysis.numbers.power import pairs_to_decide
from ablative.analysis.pairing.paired import Paired
from ablative.analysis.pairing.verdicts import judge
from ablative.analysis.plan import StudyPlan
from ablative.analysis.plan import read_plan
from ablative.analysis.showing.answer import answer
from ablative.analysis.showing.findings import findings
from ablative.analysis.showing.grids import legend
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.store import Store
from tests.helpers.results import StudyResults
from tests.helpers.results import as_failed

COMPARISONS = {"correction": "holm", "alpha": 0.05, "margin": 0.02}
STUDY = StudyResults(effect={"clip_td": 0.06}, noise=0.003, comparisons=COMPARISONS)
"""clip_td differs by three margins, the control by nothing."""


def plan(margin: float | None = 0.02) -> StudyPlan:
    stored = StudyResults().stored()
    return read_plan(stored | {"comparisons": {"correction": "holm", "alpha": 0.05, "margin": margin}})


def paired(differences: np.ndarray) -> Paired:
    found = tuple(differences.tolist())
    return Paired(
        metric="test/accuracy",
        family="pooled",
        condition="all conditions",
        arms=("clip_td", "no_distillation"),
        blocks=tuple(("vqa", seed) for seed in range(len(found))),
        differences=found,
        lost=(),
        planned_pairs=len(found),
        planned=len(found),
        completed=len(found),
        failed=0,
        missing=0,
    )


def rows(tmp_path: Path, study: StudyResults, keep: Callable[[Record], Record | None] | None = None) -> dict[str, Any]:
    study.write(str(tmp_path), *([keep] if keep else []))
    found = analysis.load(str(tmp_path)).effects.to_pylist()
    return {row["arm"]: row for row in found if row["family"] == "pooled" and row["metric"] == "test/accuracy"}


def test_a_difference_shown_stays_and_what_lies_within_the_margin_is_equivalent(tmp_path: Path) -> None:
    found = rows(tmp_path, STUDY)

    assert {arm: row["verdict"] for arm, row in found.items()} == {
        "no_distillation": "reference",
        "naive_distillation": "equivalent",
        "clip_td": "better",
        "shuffled_teacher": "equivalent",
    }
    assert found["shuffled_teacher"]["p_equivalent"] <= 0.05 < found["clip_td"]["p_equivalent"]
    assert {row["margin"] for arm, row in found.items() if arm != "no_distillation"} == {0.02}


def test_what_is_neither_is_not_decided_and_says_how_many_pairs_would_decide_it(tmp_path: Path) -> None:
    found = rows(tmp_path, StudyResults(noise=0.06, comparisons=COMPARISONS))

    row = found["clip_td"]
    assert row["verdict"] == "not decided"
    assert row["pairs_to_decide"] > row["n_pairs"] == 12
    said = answer(findings(analysis.load(str(tmp_path)), "lowshot"))
    about = f"about {row['pairs_to_decide']} blocks would decide it"
    begins = "Whether clip_td and no_distillation differ by 0.02 or more"
    assert any(line.startswith(begins) and about in line for line in said)


def test_the_answer_and_the_legend_name_the_margin(tmp_path: Path) -> None:
    rows(tmp_path, STUDY)
    results = analysis.load(str(tmp_path))
    said = answer(findings(results, "lowshot"))

    assert any(
        "The control shuffled_teacher and no_distillation are equivalent on test/accuracy within 0.02" in line
        for line in said
    )
    shown = [row for row in results.effects.to_pylist() if row["family"] == "pooled" and row["is_headline"]]
    assert "≈ equivalent" in legend(shown, results.plan("lowshot")) and "margin 0.02" in legend(
        shown, results.plan("lowshot")
    )


def test_metrics_without_a_good_direction_have_no_margin(tmp_path: Path) -> None:
    STUDY.write(str(tmp_path))
    (row,) = [
        row
        for row in analysis.load(str(tmp_path)).effects.to_pylist()
        if (row["family"], row["metric"], row["arm"]) == ("pooled", "test/loss", "shuffled_teacher")
    ]
    assert (row["verdict"], row["margin"], row["p_equivalent"]) == ("no difference shown", None, None)


def test_pairs_that_were_lost_may_hide_that_arms_are_not_equivalent(tmp_path: Path) -> None:
    def keep(record: Record) -> Record:
        lost = record.arm == "shuffled_teacher" and record.phase == "confirm" and record.seed <= 3
        return as_failed(record) if lost else record

    row = rows(tmp_path, STUDY, keep)["shuffled_teacher"]
    assert row["n_pairs"] == 6
    assert row["verdict"] == "equivalent" != row["verdict_if_worst"]


@pytest.mark.slow
@pytest.mark.parametrize("pairs", [8, 14])
def test_at_the_edge_of_the_margin_equivalence_is_as_rare_as_alpha(pairs: int) -> None:
    """True differences of exactly the margin, 400 studies: at most 0.05 and three standard errors."""
    draw, found = np.random.default_rng(5), 0
    for _ in range(400):
        (said,) = judge([paired(draw.normal(0.02, 0.01, pairs))], plan(), has_merit=True)
        found += said.p_equivalent is not None and said.p_equivalent <= 0.05
    assert found / 400 <= 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5


def test_its_p_value_is_that_of_two_one_sided_permutation_tests() -> None:
    values = np.random.default_rng(3).normal(0.004, 0.02, 9)
    (said,) = judge([paired(values)], plan(), has_merit=True)

    sides = [
        stats.permutation_test(
            (values + shift,), np.sum, permutation_type="samples", alternative=side, n_resamples=np.inf
        ).pvalue
        for shift, side in ((0.02, "greater"), (-0.02, "less"))
    ]
    assert said.p_equivalent == pytest.approx(max(sides))


def test_without_a_margin_nothing_is_said_of_one() -> None:
    (said,) = judge(
        [paired(np.full(9, 0.001) * np.array([1, -1, 1, -1, 1, -1, 1, -1, 1]))], plan(None), has_merit=True
    )
    assert (said.verdict, said.margin, said.p_equivalent, said.pairs_to_decide) == (
        "no difference shown",
        None,
        None,
        None,
    )


@pytest.mark.parametrize(("mean", "margin"), [(0.0, 0.3), (0.5, 0.3), (0.9, 0.6), (-0.8, 0.6)])
def test_the_chance_beyond_the_margin_is_that_of_means_drawn_from_what_was_seen(mean: float, margin: float) -> None:
    rng = np.random.default_rng(1)
    seen = rng.normal(0, 1, 8)
    seen = (seen - seen.mean()) / seen.std(ddof=1) + mean

    true = mean + stats.t.rvs(7, size=200_000, random_state=rng) * math.sqrt(1 / 8 - 1 / 16)
    needed = max(margin, stats.t.ppf(0.975, 15) / 4)
    expected = np.mean(np.abs(true) > needed)

    assert chance_beyond(seen.tolist(), margin, 16, 0.05) == pytest.approx(expected, abs=0.005)


def test_the_answer_names_arms_that_were_given_up_with_their_seeds(tmp_path: Path) -> None:
    study = StudyResults(noise=0.06, comparisons=COMPARISONS, confirm=tuple(range(1, 13)))
    store = Store.open(str(tmp_path))
    stored = study.stored()
    stored["seeds"]["sequential"] = {"looks": [6], "spending": "pocock", "futility": 0.1}
    for cell in stored["cells"]:
        cell["confirm_total"] = 6 if cell["arm"] == "clip_td" else 12
    store.write_study(study.study, stored)
    for record in study.records():
        if record.arm != "clip_td" or record.seed <= 6:
            store.write(record)

    said = answer(findings(analysis.load(str(tmp_path)), study.study))

    assert (
        "No further seeds were run for clip_td after 6: the chance of showing a difference beyond 0.02 with all 12 "
        "was below 0.1." in said
    )


def test_with_all_pairs_there_is_no_chance_left_and_one_difference_tells_nothing() -> None:
    assert chance_beyond([0.5, 0.6, 0.55, 0.5], 0.1, 4, 0.05) == 1.0
    assert chance_beyond([0.01, -0.02, 0.01, 0.0], 0.1, 4, 0.05) == 0.0
    assert chance_beyond([0.2], 0.1, 4, 0.05) == 1.0


def about(values: np.ndarray) -> int | None:
    return pairs_to_decide(values.tolist(), [(0.02 + values).tolist(), (0.02 - values).tolist()], 0.05)


def test_more_scatter_needs_more_pairs_to_decide() -> None:
    draw = np.random.default_rng(0).normal(0.0, 1.0, 10)
    needed = [about(0.002 + scatter * draw) for scatter in (0.02, 0.04, 0.08)]
    assert all(pairs is not None for pairs in needed)
    assert sorted(needed) == needed and len(set(needed)) == 3
    assert pairs_to_decide([0.1], [[0.12], [-0.08]], 0.05) is None
