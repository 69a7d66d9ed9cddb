"""Claims with a margin of their own: at least so much better, or equivalent within so much."""

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
from ablative.analysis.pairing.verdicts import judge
from ablative.analysis.plan import StudyPlan
from ablative.analysis.plan import read_plan
from ablative.analysis.showing.answer import answer
from ablative.analysis.showing.findings import findings
from ablative.analysis.showing.tables import results_table
from ablative.search_spaces.margins import Margin
from tests.helpers.results import StudyResults

TWO_POINTS = Margin(value=0.02)
AT_LEAST, WITHIN = Aim(kind="at least", margin=TWO_POINTS), Aim(kind="equivalent within", margin=TWO_POINTS)
ANY = Aim()


def plan(mode: str = "max", **comparisons: Any) -> StudyPlan:
    stored = StudyResults(mode=mode).stored()
    return read_plan(stored | {"comparisons": {"correction": "holm", "alpha": 0.05, **comparisons}})


def paired(differences: Any, lost: tuple[LostPair, ...] = ()) -> Paired:
    found = tuple(float(value) for value in differences)
    return Paired(
        metric="claim",
        family="pooled",
        condition="all conditions",
        arms=("clip_td", "no_distillation"),
        blocks=tuple(("vqa", seed) for seed in range(len(found))),
        differences=found,
        lost=lost,
        planned_pairs=len(found) + len(lost),
        planned=len(found) + len(lost),
        completed=len(found),
        failed=len(lost),
        missing=0,
    )


def around(mean: float, spread: float = 0.004, pairs: int = 12) -> np.ndarray:
    return mean + spread * np.linspace(-1, 1, pairs)


@pytest.mark.parametrize(
    ("mean", "at_least", "within"),
    [(0.05, HOLDS, FAILS), (0.02, "not decided", "not decided"), (0.0, FAILS, HOLDS), (-0.05, FAILS, FAILS)],
)
def test_a_claim_holds_only_beyond_its_margin_and_is_refuted_on_the_other_side(
    mean: float, at_least: str, within: str
) -> None:
    for aim, verdict in ((AT_LEAST, at_least), (WITHIN, within)):
        (said,) = judge_claims([paired(around(mean))], [aim], plan())
        assert said.verdict == said.if_worst == verdict
        assert said.margin == 0.02
        assert (said.pairs_to_decide is not None) == (verdict == "not decided" and bool(abs(mean) - 0.02))


def test_less_is_better_where_the_target_says_so() -> None:
    for mean, verdict in ((-0.05, HOLDS), (0.05, FAILS)):
        (said,) = judge_claims([paired(around(mean))], [AT_LEAST], plan("min"))
        assert said.verdict == verdict
    (said,) = judge_claims([paired(around(-0.05))], [AT_LEAST], plan("min"))
    assert said.interval is not None and said.interval[1] < -0.02


def test_a_difference_that_is_shown_may_be_too_small_for_the_claim() -> None:
    small = paired(around(0.012, 0.002))
    plain, least, equal = judge_claims([small] * 3, [ANY, AT_LEAST, WITHIN], plan())

    assert (plain.verdict, least.verdict, equal.verdict) == ("better", FAILS, HOLDS)


def test_claims_without_margins_are_judged_as_they_were() -> None:
    family = [paired(around(mean, 0.03)) for mean in (0.05, 0.01, 0.0)]
    for given_plan in (plan(), plan(margin=0.01), plan(correction="max_t"), plan(correction="none")):
        expected = judge(family, given_plan, has_merit=True, intervals=True)
        assert judge_claims(family, [ANY] * 3, given_plan) == expected


def test_a_margin_of_its_own_stands_for_the_studys() -> None:
    family = [paired(around(0.0)), paired(around(0.0))]
    plain, least = judge_claims(family, [ANY, AT_LEAST], plan(margin=0.01))

    assert (plain.verdict, plain.margin) == ("equivalent", 0.01)
    assert (least.verdict, least.margin, least.p_equivalent) == (FAILS, 0.02, None)


def test_p_values_are_those_of_the_shifted_tests_by_hand() -> None:
    rng = np.random.default_rng(0)
    found = rng.normal(0.025, 0.01, 10)
    (least,) = judge_claims([paired(found)], [AT_LEAST], plan())
    by_hand = stats.permutation_test(
        (found - 0.02,), np.sum, permutation_type="samples", alternative="two-sided", n_resamples=np.inf
    )
    assert least.p_value == pytest.approx(by_hand.pvalue)

    near = rng.normal(0.005, 0.01, 10)
    (equal,) = judge_claims([paired(near)], [WITHIN], plan())
    one_sided = [
        stats.permutation_test(
            (near + shift,), np.sum, permutation_type="samples", alternative=side, n_resamples=np.inf
        ).pvalue
        for shift, side in ((0.02, "greater"), (-0.02, "less"))
    ]
    assert equal.p_value == equal.p_equivalent == pytest.approx(max(one_sided))


def test_both_kinds_share_alpha_and_the_p_values_say_so() -> None:
    family = [paired(around(0.05)), paired(around(0.0))]
    least, equal = judge_claims(family, [AT_LEAST, WITHIN], plan())

    assert (least.comparisons, equal.comparisons) == (2, 2)
    assert least.p_value is not None and equal.p_value is not None
    assert least.p_corrected == pytest.approx(2 * least.p_value)
    assert equal.p_corrected == pytest.approx(2 * equal.p_value)
    alone = judge_claims(family, [AT_LEAST, WITHIN], plan(correction="none"))
    assert [said.p_corrected for said in alone] == [said.p_value for said in alone]


def test_fewer_pairs_are_needed_for_equivalence_than_for_a_difference() -> None:
    for pairs, verdicts in ((4, ("not enough seeds", "not enough seeds")), (5, ("not enough seeds", HOLDS))):
        (least,) = judge_claims([paired(around(0.05, pairs=pairs))], [AT_LEAST], plan())
        (equal,) = judge_claims([paired(around(0.0, pairs=pairs))], [WITHIN], plan())
        assert (least.verdict, equal.verdict) == verdicts
        assert (least.pairs_needed, equal.pairs_needed) == (6, 5)


def test_lost_pairs_speak_against_the_claim() -> None:
    lost = tuple(LostPair(block=("vqa", 90 + seed), known=0.0, most=0.5) for seed in range(3))
    for mean, aim, verdict in (
        (0.03, AT_LEAST, HOLDS),
        (0.0, AT_LEAST, FAILS),
        (0.0, WITHIN, HOLDS),
        (0.05, WITHIN, FAILS),
    ):
        (said,) = judge_claims([paired(around(mean), lost)], [aim], plan())
        assert (said.verdict, said.if_worst) == (verdict, "not decided")


@settings(max_examples=40, deadline=None)
@given(
    means=st.lists(st.floats(-0.06, 0.06), min_size=1, max_size=4),
    kinds=st.lists(st.sampled_from([ANY, AT_LEAST, WITHIN]), min_size=4, max_size=4),
    pairs=st.integers(6, 12),
    correction=st.sampled_from(["holm", "max_t", "auto", "none"]),
    seed=st.integers(0, 1000),
)
def test_no_interval_contradicts_its_verdict(
    means: list[float], kinds: list[Aim], pairs: int, correction: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    family = [paired(rng.normal(mean, 0.02, pairs)) for mean in means]
    aims = kinds[: len(means)]
    for said, aim in zip(judge_claims(family, aims, plan(correction=correction)), aims, strict=True):
        if said.interval is None or not aim.margin:
            continue
        (low, high), margin, tie = said.interval, 0.02, 1e-12
        inside = -margin - tie <= low and high <= margin + tie
        if aim is AT_LEAST:
            low, high = low - margin, high - margin
            assert low >= -tie if said.verdict == HOLDS else low <= tie
            assert high <= tie if said.verdict == FAILS else high >= -tie
        elif said.verdict == HOLDS:
            assert inside
        elif said.verdict == FAILS:
            assert low >= margin - tie or high <= tie - margin
        else:
            assert not inside


def test_the_answer_the_table_and_the_view_say_what_was_claimed_and_whether_it_holds(tmp_path: Path) -> None:
    claims: dict[str, dict[str, Any]] = {
        "large": {"arm": "clip_td", "against": "no_distillation", "at_least": 0.02},
        "too_large": {"arm": "clip_td", "against": "no_distillation", "at_least": 0.1},
        "no_matter": {"arm": "shuffled_teacher", "against": "no_distillation", "equivalent_within": 0.02},
    }
    study = StudyResults(
        effect={"clip_td": 0.06},
        noise=0.003,
        confirm=tuple(range(1, 9)),
        comparisons={"correction": "holm", "alpha": 0.05, "claims": claims},
    )
    study.write(str(tmp_path))
    results = analysis.load(str(tmp_path))
    rows = {row["claim"]: row for row in results.claims.to_pylist()}
    said = " ".join(answer(findings(results, "lowshot")))
    table = results_table(results, "lowshot")

    assert {name: (row["claimed"], row["margin"], row["verdict"]) for name, row in rows.items()} == {
        "large": ("at least", 0.02, HOLDS),
        "too_large": ("at least", 0.1, FAILS),
        "no_matter": ("equivalent within", 0.02, HOLDS),
    }
    assert "large: it holds that clip_td beats no_distillation on test/accuracy by more than 0.02 (" in said
    assert "too_large: it does not hold that clip_td beats no_distillation on test/accuracy by more than 0.1" in said
    assert "shuffled_teacher and no_distillation are equivalent on test/accuracy within 0.02 (" in said
    assert "clip_td is better than no_distillation on test/accuracy" in said, "the primary comparison is not said yet"
    assert "by more than 0.02" in table and "within 0.02" in table and "does not hold" in table
