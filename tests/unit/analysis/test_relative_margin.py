"""Margins that are a share of the mean of what an arm is compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from scipy import stats

from ablative import analysis
from ablative.analysis.pairing.claimed import FAILS
from ablative.analysis.pairing.claimed import HOLDS
from ablative.analysis.pairing.claimed import Aim
from ablative.analysis.pairing.claimed import judge_claims
from ablative.analysis.pairing.losses import LostPair
from ablative.analysis.pairing.paired import Paired
from ablative.analysis.pairing.verdicts import EQUIVALENT
from ablative.analysis.pairing.verdicts import NOT_DECIDED
from ablative.analysis.pairing.verdicts import judge
from ablative.analysis.plan import StudyPlan
from ablative.analysis.plan import read_plan
from ablative.analysis.showing.answer import answer
from ablative.analysis.showing.findings import findings
from ablative.analysis.showing.tables import results_table
from ablative.search_spaces.margins import Margin
from ablative.search_spaces.margins import margin_of
from tests.helpers.results import StudyResults

SHARE = Margin(value=0.05, relative=True)
AT_LEAST, WITHIN = (Aim(kind=kind, margin=SHARE) for kind in ("at least", "equivalent within"))


def plan(margin: float | str | None = "5%", mode: str = "max", **comparisons: Any) -> StudyPlan:
    given = {"correction": "holm", "alpha": 0.05, "margin": margin, **comparisons}
    return read_plan(StudyResults(mode=mode).stored() | {"comparisons": given})


def paired(differences: np.ndarray, reference: np.ndarray, lost: tuple[LostPair, ...] = ()) -> Paired:
    count = len(differences)
    return Paired(
        metric="test/accuracy",
        family="pooled",
        condition="all conditions",
        arms=("clip_td", "no_distillation"),
        blocks=tuple(("vqa", seed) for seed in range(count)),
        differences=tuple(differences.tolist()),
        reference=tuple(reference.tolist()),
        lost=lost,
        planned_pairs=count,
        planned=count,
        completed=count,
        failed=len(lost),
        missing=0,
    )


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (0.02, Margin(value=0.02)),
        ("2%", Margin(value=0.02, relative=True)),
        ("0.5 %", Margin(value=0.005, relative=True)),
        (None, None),
    ],
)
def test_a_share_is_written_with_a_percent_sign(written: Any, found: Margin | None) -> None:
    assert margin_of(written) == found
    assert found is None or margin_of(found.written()) == found


@pytest.mark.parametrize("written", ["2", "0%", "-1%", "2 percent", "%", "nan%", 0.0, -0.1, "9999%", True])
def test_anything_else_is_refused_with_what_is_expected(written: Any) -> None:
    with pytest.raises(ValueError, match=r"as 0\.01, or a share of the reference arm's mean, as 2%"):
        margin_of(written)


def test_equivalence_within_a_share_is_that_of_the_two_linear_forms_by_hand() -> None:
    rng = np.random.default_rng(1)
    reference = rng.normal(0.6, 0.05, 10)
    differences = 0.01 * reference + rng.normal(0, 0.02, 10)
    (said,) = judge([paired(differences, reference)], plan(), has_merit=True)

    sides = [
        stats.permutation_test(
            (differences + sign * 0.05 * reference,),
            np.sum,
            permutation_type="samples",
            alternative=side,
            n_resamples=np.inf,
        ).pvalue
        for sign, side in ((1, "greater"), (-1, "less"))
    ]
    assert said.p_equivalent == pytest.approx(max(sides))
    assert said.margin == pytest.approx(0.05 * reference.mean())
    assert said.margin_share == 0.05


def test_where_the_reference_never_varies_a_share_is_a_number() -> None:
    rng = np.random.default_rng(2)
    differences, reference = rng.normal(0.005, 0.02, 12), np.full(12, 0.5)
    (share,) = judge([paired(differences, reference)], plan(), has_merit=True, intervals=True)
    (number,) = judge([paired(differences, reference)], plan(0.025), has_merit=True, intervals=True)

    assert (share.p_equivalent, share.verdict, share.pairs_to_decide) == pytest.approx(
        (number.p_equivalent, number.verdict, number.pairs_to_decide)
    )
    assert share.interval == pytest.approx(number.interval)
    for kind in ("at least", "equivalent within"):
        (one,) = judge_claims([paired(differences, reference)], [Aim(kind=kind, margin=SHARE)], plan(None))
        (other,) = judge_claims(
            [paired(differences, reference)], [Aim(kind=kind, margin=Margin(value=0.025))], plan(None)
        )
        assert (one.p_value, one.verdict) == (pytest.approx(other.p_value), other.verdict)
        assert one.interval == pytest.approx(other.interval)


@pytest.mark.parametrize("mean", [-0.001, -0.4])
def test_nothing_is_shown_of_a_share_of_a_mean_that_is_not_above_0(mean: float) -> None:
    rng = np.random.default_rng(3)
    reference = rng.normal(0, 0.05, 12)
    reference += mean - reference.mean()
    item = paired(rng.normal(0, 0.001, 12), reference)
    (said,) = judge([item], plan(), has_merit=True, intervals=True)
    claims = judge_claims([item, item], [AT_LEAST, WITHIN], plan(None))

    assert (said.verdict, said.margin, said.margin_share) == (NOT_DECIDED, None, 0.05)
    assert [(claim.verdict, claim.margin) for claim in claims] == [(NOT_DECIDED, None)] * 2


def test_claims_of_a_share_hold_and_are_refuted_on_either_side_of_it() -> None:
    rng = np.random.default_rng(4)
    reference = rng.normal(0.6, 0.02, 12)
    for gain, at_least, within in ((0.1, HOLDS, FAILS), (0.05, NOT_DECIDED, NOT_DECIDED), (0.0, FAILS, HOLDS)):
        noise = rng.normal(0, 0.002, 12)
        item = paired(gain * reference + noise - noise.mean(), reference)
        for aim, verdict in ((AT_LEAST, at_least), (WITHIN, within)):
            (said,) = judge_claims([item], [aim], plan(None))
            assert said.verdict == verdict
            assert said.margin == pytest.approx(0.05 * reference.mean())


def test_less_is_better_of_a_share_too() -> None:
    reference = np.linspace(0.5, 0.7, 12)
    (said,) = judge_claims([paired(-0.1 * reference, reference)], [AT_LEAST], plan(None, mode="min"))
    assert said.verdict == HOLDS and said.interval is not None and said.interval[1] < -0.05 * 0.6


def test_a_lost_pair_has_the_margin_of_its_tasks_mean() -> None:
    item = paired(np.zeros(4), np.array([0.4, 0.6, 0.5, 0.5]))
    assert item.margin_at(("vqa", 9), SHARE) == pytest.approx(0.025)
    assert item.margin_at(("another", 9), SHARE) == pytest.approx(0.025)
    lost = (LostPair(block=("vqa", 90), known=0.0, most=0.5),)
    (said,) = judge([paired(1e-4 * np.tile([1, -1], 6), np.full(12, 0.5), lost)], plan(), has_merit=True)
    assert (said.verdict, said.if_worst) == (EQUIVALENT, NOT_DECIDED)


@settings(max_examples=40, deadline=None)
@given(
    st.floats(-0.06, 0.06), st.integers(6, 12), st.floats(0.0, 0.3), st.integers(0, 1000), st.sampled_from([0, 1, 2])
)
def test_no_interval_contradicts_its_verdict(mean: float, pairs: int, scatter: float, seed: int, which: int) -> None:
    rng = np.random.default_rng(seed)
    reference = rng.normal(0.4, scatter, pairs)
    item = paired(mean * reference + rng.normal(0, 0.01, pairs), reference)
    if which < 2:
        (said,) = judge_claims([item], [(AT_LEAST, WITHIN)[which]], plan(None))
    else:
        (said,) = judge([item], plan(), has_merit=True, intervals=True)
    if said.interval is None or said.margin is None:
        return
    (low, high), margin, tie = said.interval, said.margin, 1e-12
    inside = -margin + tie < low and high < margin - tie
    if which == 0:
        assert low >= margin - tie if said.verdict == HOLDS else low <= margin + tie
    elif said.verdict in (HOLDS, EQUIVALENT):
        assert -margin - tie <= low and high <= margin + tie
    elif said.verdict == NOT_DECIDED:
        assert not inside


def test_the_answer_the_table_and_the_view_give_the_share_and_what_it_is_here(tmp_path: Path) -> None:
    claims = {"large": {"arm": "clip_td", "against": "no_distillation", "at_least": "4%"}}
    study = StudyResults(
        effect={"clip_td": 0.06},
        noise=0.003,
        comparisons={"correction": "holm", "alpha": 0.05, "margin": "4%", "claims": claims},
    )
    study.write(str(tmp_path))
    results = analysis.load(str(tmp_path))
    (row,) = [
        row
        for row in results.effects.to_pylist()
        if (row["family"], row["metric"], row["arm"]) == ("pooled", "test/accuracy", "shuffled_teacher")
    ]
    said = " ".join(answer(findings(results, "lowshot")))
    resolved = f"{0.04 * row['reference_mean']:.3g} (4 % of the mean of no_distillation)"

    assert row["verdict"] == "equivalent"
    assert row["margin"] == pytest.approx(0.04 * row["reference_mean"]) and row["margin_share"] == 0.04
    assert f"are equivalent on test/accuracy within {resolved}" in said
    assert f"it holds that clip_td beats no_distillation on test/accuracy by more than {resolved}" in said
    assert "margin 4 % of the mean compared with" in results_table(results, "lowshot")
