"""One proposal against the accepted arm: another arm of a study, or the same arm as recorded in another store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from math import ceil
from typing import Any

import pyarrow as pa

from ablative.analysis.errors import AnalysisError
from ablative.analysis.pairing.observations import counting_records
from ablative.analysis.pairing.observations import observe
from ablative.analysis.pairing.paired import ArmDifference
from ablative.analysis.pairing.pairing import Pairing
from ablative.analysis.pairing.pairing import pairing_of
from ablative.analysis.pairing.verdicts import EQUIVALENT
from ablative.analysis.pairing.verdicts import NONE_LEARNED
from ablative.analysis.pairing.verdicts import SHOWN
from ablative.analysis.pairing.verdicts import Judgement
from ablative.analysis.pairing.verdicts import judge
from ablative.analysis.plan import StudyPlan
from ablative.analysis.views.results import Results
from ablative.analysis.views.two_runs import FIRST
from ablative.analysis.views.two_runs import SECOND
from ablative.analysis.views.two_runs import differences_of_origin
from ablative.analysis.views.two_runs import late_lines
from ablative.analysis.views.two_runs import two_runs
from ablative.orchestrator.storing.flat_trials import metric_columns
from ablative.search_spaces.content_hash import content_hash
from ablative.search_spaces.margins import Margin

EQUAL = "equal"
NOT_DECIDED = "not decided"
_ONE_DATA = ("data_digest",)
"""What the trials of two stores must share here: the code may differ, because the proposal may be about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """An arm paired with its comparison; nothing is judged yet."""

    plan: StudyPlan
    """Plan of the run with the proposal."""
    arm: str
    item: ArmDifference
    margin: Margin | None
    key: str
    """Hash of the compared trials, their values, and the margin."""
    differs: tuple[str, ...] = ()
    """The differences between two stores."""
    late: tuple[str, ...] = ()
    """Late declarations, one line per run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gated:
    """A gate's verdict on a proposal, at the error probability that it may spend."""

    verdict: str
    """`better`, `equal`, `worse` or `not decided`."""
    reason: str
    """Why it is not decided; else empty."""
    said: Judgement


def proposed_arm(results: Results, study: str, arm: str, against: str | None, margin: Margin | None) -> Proposal:
    """Return an arm paired with another one of its study: `against`, or the reference arm.

    Raises AnalysisError for unknown arms, and while confirm trials of the two are owed.
    """
    plan = results.comparable(study)
    other = against or plan.reference or ""
    for option, name in (("--arm", arm), ("--against", other)):
        if name not in plan.arms:
            raise AnalysisError(f"{option} {name}: study {study} has no such arm; it has {', '.join(plan.arms)}")
    if arm == other:
        raise AnalysisError(f"--arm {arm}: it is what it would be compared with; give --against or --baseline")
    records = results.observed(study)
    pairing = pairing_of(observe(records, plan), plan, plan.headline).against(other)
    _refuse_unfinished(pairing, (arm, other), study)
    seen = [_seen(records, plan, name) for name in (other, arm)]
    late = tuple(late_lines([plan], [study]))
    return Proposal(plan=plan, arm=arm, item=pairing.pooled(arm), late=late, **_asked(plan, margin, seen))


def proposed_run(
    results: Results, baseline: Results, studies: tuple[str, str], arm: str, margin: Margin | None
) -> Proposal:
    """Return an arm as recorded in `results`, paired with the same arm in `baseline`.

    `studies`: those of both, in this order. Raises AnalysisError if the two lack such an arm, or have nothing to
    compare, and while confirm trials are owed.
    """
    both = two_runs(baseline, results, studies[::-1], _ONE_DATA)
    if arm not in both.arms:
        raise AnalysisError(f"--arm {arm}: not an arm of both runs of {studies[0]}; both have {', '.join(both.arms)}")
    pairing, plan = both.pairing(arm), both.plans[1]
    _refuse_unfinished(pairing, (FIRST, SECOND), studies[0])
    seen = [
        _seen(run.observed(study), its_plan, arm)
        for run, study, its_plan in zip((baseline, results), studies[::-1], both.plans, strict=True)
    ]
    names = ("baseline", "proposal") if studies[0] == studies[1] else studies[::-1]
    return Proposal(
        plan=plan,
        arm=arm,
        item=replace(pairing.pooled(SECOND), arms=(arm, arm)),
        differs=tuple(differences_of_origin(baseline, results, studies[::-1], names)),
        late=tuple(late_lines(both.plans, names)),
        **_asked(plan, margin, seen),
    )


def gated(item: ArmDifference, plan: StudyPlan, share: float, margin: Margin | None) -> Gated:
    """Judge one comparison at an error probability of `share`: any wrong verdict counts, `equal` as well.

    The test is that of the primary comparisons: sign flips of the paired blocks, and for `equal` two one-sided ones.
    Raises AnalysisError with too few pairs to reach significance at that share.
    """
    asked = plan.comparisons.model_copy(
        update={"correction": "none", "alpha": share, "margin": margin and margin.written()}
    )
    alone = plan.model_copy(update={"comparisons": asked})
    said = judge([item], alone, has_merit=True)[0]
    if len(item.differences) < said.pairs_needed:
        tasks = max(1, item.strata)
        raise AnalysisError(
            f"{len(item.differences)} pairs of {item.arms[0]}: at the next share of the ledger's alpha ({share:.2g}) "
            f"the least that can show anything is {said.pairs_needed}; confirm with "
            f"{ceil(said.pairs_needed / tasks)} seeds"
        )
    if said.verdict == NONE_LEARNED:
        return Gated(verdict=NOT_DECIDED, reason=f"neither has learned anything: {item.lack}", said=said)
    if said.verdict not in (*SHOWN, EQUIVALENT):
        return Gated(verdict=NOT_DECIDED, reason=_undecided(said), said=said)
    verdict = EQUAL if said.verdict == EQUIVALENT else said.verdict
    if said.if_worst != said.verdict:
        reason = f"{verdict} in the pairs there are, but not if the {len(item.lost)} lost ones had gone against it"
        return Gated(verdict=NOT_DECIDED, reason=reason, said=said)
    return Gated(verdict=verdict, reason="", said=said)


def _undecided(said: Judgement) -> str:
    if said.margin_share is not None and said.margin is None:
        return "the margin is a share of a mean that is not above 0, so nothing can be found equal"
    if said.margin is None:
        return "no difference shown; with --margin it could be found equal"
    more = said.pairs_to_decide
    seen = "neither a difference nor equality within the margin is shown"
    return seen if more is None else f"{seen}; about {more} pairs would decide it"


def _asked(plan: StudyPlan, margin: Margin | None, seen: Sequence[Any]) -> dict[str, Any]:
    margin = plan.comparisons.matters if margin is None else margin
    written = None if margin is None else margin.written()
    given = plan.comparisons
    other = [what for what, usual in ((given.estimate, "mean"), (given.weights, None)) if what != usual]
    return {"margin": margin, "key": content_hash([plan.headline, plan.target.mode, written, *other, *seen])}


def _seen(records: pa.Table, plan: StudyPlan, arm: str) -> list[list[str | None]]:
    """Return id, status and value of each confirm trial of an arm: the same id may have other values elsewhere."""
    table = counting_records(records, plan)
    values = metric_columns(table).get(plan.headline)
    found = table.select(("trial_id", plan.place_column, "status")).to_pylist()
    numbers = [None] * len(found) if values is None else values.to_pylist()
    return sorted(
        [row["trial_id"], row["status"], repr(number)]
        for row, number in zip(found, numbers, strict=True)
        if plan.cells_at[row[plan.place_column]].arm == arm
    )


def _refuse_unfinished(pairing: Pairing, arms: tuple[str, str], study: str) -> None:
    """Judging an unfinished run would be one more chance to be lucky."""
    places = [(arm, label) for arm in arms for label in pairing.conditions]
    seen = pairing.observations
    planned = sum(pairing.planned.get(place, 0) for place in places)
    ended = sum(len({*seen.completed.get(place, ()), *seen.failed.get(place, ())}) for place in places)
    if ended < planned:
        raise AnalysisError(
            f"study {study}: {planned - ended} of the {planned} confirm trials that would be compared are owed; "
            "`ablate run` them first"
        )
