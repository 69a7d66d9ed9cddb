"""What a study found, as rows: its claims, its primary comparisons, and its arms against the controls."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ablative.analysis.pairing.claimed import FAILS
from ablative.analysis.pairing.claimed import HOLDS
from ablative.analysis.pairing.observations import Observations
from ablative.analysis.pairing.observations import observe
from ablative.analysis.pairing.verdicts import EQUIVALENT
from ablative.analysis.pairing.verdicts import NO_DIFFERENCE
from ablative.analysis.pairing.verdicts import OPPOSITE
from ablative.analysis.pairing.verdicts import SHOWN
from ablative.analysis.pairing.verdicts import holds
from ablative.analysis.plan import StudyPlan
from ablative.analysis.views.contrasts import pooled_contrasts
from ablative.analysis.views.heterogeneity import Varying
from ablative.analysis.views.heterogeneity import varying
from ablative.analysis.views.outlying import outlying_line
from ablative.analysis.views.results import Results
from ablative.analysis.views.robustness import robustness_rows
from ablative.analysis.views.same_seed import same_seed_line
from ablative.analysis.views.search_luck import search_luck
from ablative.analysis.views.searches import search_rows
from ablative.analysis.views.two_groups import two_groups_line
from ablative.search_spaces.search_risk import Scatter
from ablative.search_spaces.search_risk import SearchDesign
from ablative.search_spaces.search_risk import risk_line

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """One study's findings."""

    plan: StudyPlan
    observations: Observations
    effects: Sequence[Row]
    """Rows of the view `effects`."""
    claims: Sequence[Row]
    """Rows of the view `claims`, strongest first."""
    against_controls: Sequence[Row]
    """Each arm less each control, as `against_controls` returns them."""
    robustness: Sequence[Row]
    """Rows of the view `robustness`."""
    test_size: Sequence[Row] = ()
    """Rows of the view `test_size` over all conditions, where means are compared."""
    varying: Varying | None = None
    """Whether effects vary between conditions; None of one condition, or where nobody can tell."""
    searches: Sequence[Row] = ()
    """Rows of the view `searches`."""
    luck: str = ""
    """How often studies like this one would have a false positive by the luck of their search; empty without luck."""
    same_seed: str = ""
    """A warning that tasks under one seed are not independent blocks, if the records show it."""
    two_groups: str = ""
    """The cells whose confirm seeds fall into two groups; empty if none do."""
    outlying: str = ""
    """Which arms have a block far from all others, under which seed; empty where none has."""


def findings(results: Results, study: str) -> Findings:
    """Return what `study`, one of `results`, found; raises as `Results.comparable`."""
    plan = results.comparable(study)
    observations = observe(results.observed(study), plan)
    effects = [row for row in results.effects.to_pylist() if row["study"] == study]
    claims = [row for row in results.claims.to_pylist() if row["study"] == study]
    tried = results.tried(study)
    return Findings(
        plan=plan,
        observations=observations,
        effects=effects,
        claims=strongest_first(claims),
        against_controls=against_controls(observations, plan),
        robustness=robustness_rows(observations, plan),
        test_size=rows_of_test_size(results, study),
        varying=varying(observations, plan),
        searches=search_rows(tried, observations, plan),
        luck=luck_line(search_luck(tried, observations, plan)),
        same_seed=same_seed_line(observations, plan),
        two_groups=two_groups_line(observations, plan),
        outlying=outlying_line(observations, plan),
    )


def rows_of_test_size(results: Results, study: str) -> list[Row]:
    """Return the rows of the view `test_size` over all conditions; none where a study compares other than means."""
    rows = results.test_size.to_pylist() if results.plan(study).comparisons.estimate == "mean" else []
    return [row for row in rows if row["study"] == study and row["family"] == "pooled"]


def luck_line(luck: tuple[SearchDesign, Scatter] | None) -> str:
    """Return the line on the luck of a search."""
    return "" if luck is None else risk_line(*luck)


def strongest_first(rows: Iterable[Row]) -> list[Row]:
    """Return judged rows by what they show, then by corrected p-value, then by difference against interval."""
    return sorted(rows, key=_weakness)


def _weakness(row: Row) -> tuple[int, float, float]:
    settled = row["verdict"] in (EQUIVALENT, NO_DIFFERENCE)
    rank = (0 if holds(row) else 1) if row["verdict"] in (*SHOWN, HOLDS, FAILS) else 2 if settled else 3
    low, high = row["diff_ci_low"], row["diff_ci_high"]
    strength = abs(row["difference"]) / (high - low) if low is not None and high > low else 0.0
    return rank, 2.0 if row["p_corrected"] is None else row["p_corrected"], -strength


def against_controls(observations: Observations, plan: StudyPlan) -> list[Row]:
    """Return each arm less each control on the headline metric, over all conditions, in the study's order.

    Rows have the columns of a claim that say what was found. They are corrected, as in the view `contrasts`, over all
    pairs of arms. Left out are pairs that a claim is about, and the reference: its differences to the controls are
    primary comparisons.
    """
    return list(_against_controls(observations, plan)) if plan.controls and len(plan.arms) > 2 else []


def _against_controls(observations: Observations, plan: StudyPlan) -> Iterator[Row]:
    contrasts = pooled_contrasts(observations, plan)
    judged = {frozenset(item.arms): (item, said) for item, said in contrasts if item.term.kind == "arms"}
    arms = [arm for arm in plan.arms if arm not in plan.controls and arm != plan.reference]
    pairs = ((arm, control) for arm in arms for control in plan.arms if control in plan.controls)
    for arm, control in (pair for pair in pairs if pair not in plan.comparisons.claimed):
        item, said = judged[frozenset((arm, control))]
        sign = item.term.weights[arm]
        differences = [sign * value for value in item.differences]
        ends = sorted(sign * end for end in item.difference_interval or ())
        low, high = ends or (None, None)
        yield {
            "arm": arm,
            "against": control,
            "difference": None if item.difference is None else sign * item.difference,
            "diff_ci_low": low,
            "diff_ci_high": high,
            "differences": differences,
            **_seen_interval(said.interval, sign),
            "p_corrected": said.p_corrected,
            "comparisons": said.comparisons,
            "n_pairs": len(differences),
            "pairs_needed": said.pairs_needed,
            "margin": said.margin,
            "margin_share": said.margin_share,
            "p_equivalent": said.p_equivalent,
            "pairs_to_decide": said.pairs_to_decide,
            "verdict": _seen(said.verdict, sign),
            "verdict_if_worst": _seen(said.if_worst, sign),
        }


def _seen_interval(interval: tuple[float, float] | None, sign: float) -> dict[str, float | None]:
    low, high = sorted(sign * end for end in interval) if interval else (None, None)
    return {"verdict_ci_low": low, "verdict_ci_high": high}


def _seen(verdict: str, sign: float) -> str:
    return verdict if sign > 0 else OPPOSITE.get(verdict, verdict)
