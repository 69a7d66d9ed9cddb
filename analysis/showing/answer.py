"""The answer to a study's question, in sentences that claim no more than the rounded figures show."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from ablative.analysis import rounding
from ablative.analysis.pairing.verdicts import EQUIVALENT
from ablative.analysis.pairing.verdicts import NO_DIFFERENCE
from ablative.analysis.pairing.verdicts import NONE_LEARNED
from ablative.analysis.pairing.verdicts import NOT_DECIDED
from ablative.analysis.pairing.verdicts import NOT_ENOUGH
from ablative.analysis.pairing.verdicts import SHOWN
from ablative.analysis.plan import StudyPlan
from ablative.analysis.showing.examples_line import examples_line
from ablative.analysis.showing.findings import Findings
from ablative.analysis.showing.grids import condition_heading
from ablative.analysis.showing.grids import headline_rows
from ablative.analysis.showing.grids import majority_text
from ablative.analysis.showing.grids import where_of
from ablative.analysis.showing.search_lines import search_lines
from ablative.analysis.showing.sentences import amount
from ablative.analysis.showing.sentences import claimed
from ablative.analysis.showing.sentences import fragile
from ablative.analysis.showing.sentences import judged
from ablative.analysis.showing.sentences import listed
from ablative.analysis.showing.sentences import sentence
from ablative.analysis.views.heterogeneity import Varying
from ablative.search_spaces.searches import how_searched

Row = Mapping[str, Any]

_OF_MEANS = (
    "Means all the same are judged where the question is whether differences vary between conditions or move together "
    "under a seed, what the test set leaves open, and what the luck of the search may find."
)
ESTIMATED = {
    "median": ["Differences are medians of paired differences.", _OF_MEANS],
    "hodges_lehmann": [
        "Differences are Hodges-Lehmann estimates: medians of all means of two paired differences.",
        _OF_MEANS,
    ],
}
"""What `comparisons.estimate` makes a difference, where that is not the mean."""
MANY = 3
"""Arms of one verdict that have a sentence each."""


def answer(found: Findings) -> list[str]:
    """Return sentences on what a study declared and on its primary comparisons.

    First what is incomplete, then each claim, the strongest first. Then each arm against the reference over all
    conditions, as far as no claim says it: the differences shown, the condition that most of them rest on, and whether
    they vary between conditions; then where none was shown and what the interval still allows, then what is still
    unknown. A study without claims says of the controls what was shown against them. Then a warning where a control
    gained like an arm. Last how far the test examples may have decided it, and how far the search: its luck, its
    edges, its budget, and what it was. More than `MANY` arms with one verdict share a sentence.
    """
    plan = found.plan
    rows = headline_rows(found.effects, "pooled")
    compared = [row for row in rows if not row["is_reference"]]
    unsaid = [row for row in compared if (row["arm"], plan.reference) not in plan.comparisons.claimed]
    sentences = [
        *_incomplete(rows),
        *([sentence(plan.late_line)] if plan.late_line else []),
        *ESTIMATED.get(plan.comparisons.estimate, ()),
        *_nothing_learned(found.effects, plan),
        *(_claim(row, plan) for row in found.claims),
        *(said for verdict in SHOWN for said in _differences(_of(unsaid, verdict), plan)),
        *_resting(found.robustness, compared, plan),
        *_varying(found.varying, compared, plan),
        *_each(_of(unsaid, EQUIVALENT), plan),
        *_no_differences(_of(unsaid, NO_DIFFERENCE), plan),
        *_each(_of(unsaid, NOT_DECIDED), plan),
        *_none_learned(_of(unsaid, NONE_LEARNED), plan),
        *_untold([row for row in unsaid if row["verdict"] == NOT_ENOUGH], plan),
        *([] if found.claims else _controls(found.against_controls, plan)),
        *_control_warning(compared),
        *_noted(found),
        *search_lines(found.searches, plan),
        *how_searched(repeats=plan.search.repeats, nested=plan.seeds.nested, shared=plan.search.shared),
    ]
    return sentences or [
        f"Only the reference arm {plan.reference} is planned, so there is nothing to compare it with."
    ]


def _noted(found: Findings) -> list[str]:
    lines = (
        _given_up(found),
        examples_line(found.test_size),
        found.two_groups,
        found.outlying,
        found.same_seed,
        found.luck,
    )
    return [line for line in lines if line]


def _given_up(found: Findings) -> str:
    """Say which arms got no further seeds because these would hardly have shown a difference beyond the margin."""
    plan = found.plan
    futility = plan.seeds.sequential.futility if plan.seeds.sequential else None
    if futility is None:
        return ""
    rows = [row for row in headline_rows(found.effects, "pooled") if row["verdict"] == NOT_DECIDED]
    seeds = {row["arm"]: max(plan.confirm_planned[row["arm"], label] for label in plan.conditions) for row in rows}
    short = [f"{arm} after {count}" for arm, count in seeds.items() if count < len(plan.seeds.confirm)]
    if not short:
        return ""
    return (
        f"No further seeds were run for {listed(short)}: the chance of showing a difference beyond "
        f"{plan.comparisons.matters} with all {len(plan.seeds.confirm)} was below {futility:g}."
    )


def _claim(row: Row, plan: StudyPlan) -> str:
    where = where_of(plan.comparisons.claims[row["claim"]], plan.roles)
    place = f"on {listed(row['metrics'] or [plan.headline])}{f' at {where}' if where else ''}"
    if row["claimed"] != "difference":
        return f"{row['claim']}: {claimed(row, place, plan.comparisons.unit)}."
    return f"{row['claim']}: {judged(row, row['arm'], row['against'], place, plan.comparisons.unit)}."


def _incomplete(rows: Sequence[Row]) -> list[str]:
    planned, failed = sum(row["planned"] for row in rows), sum(row["failed"] for row in rows)
    missing = sum(row["missing"] for row in rows)
    if missing:
        return [f"Provisional: {missing} of {planned} planned confirm trials are missing, and {failed} failed."]
    return [f"{failed} of {planned} planned confirm trials failed, and the answer leaves them out."] if failed else []


def _nothing_learned(effects: Sequence[Row], plan: StudyPlan) -> list[str]:
    """Say which arms have learned nothing where, with what the majority class reaches there."""
    cells = headline_rows(effects, "cells")
    found: dict[str, list[tuple[str, str]]] = {}
    for label in plan.conditions:
        there = [row for row in cells if row["condition"] == label]
        without = [row for row in there if row["lack"]]
        if without:
            where = condition_heading(plan.condition_of(label), plan.roles)
            found.setdefault(_who(without, there), []).append((where, majority_text(there)))
    return [_without(who, places, plan) for who, places in found.items()]


def _who(without: Sequence[Row], there: Sequence[Row]) -> str:
    if len(without) == len(there):
        who = "No arm has learned anything{}"
    else:
        names = listed([row["arm"] for row in without])
        who = f"{names} {'has' if len(without) == 1 else 'have'} learned nothing{{}}"
    return f"{who} ({_lacks(without)}{{}})."


def _without(who: str, places: Sequence[tuple[str, str]], plan: StudyPlan) -> str:
    where = f" at {listed([place for place, _ in places])}" if len(plan.conditions) > 1 else ""
    least = [text for _, text in places if text]
    return who.format(where, f"; the majority class reaches {listed(least)} on {plan.headline}" if least else "")


def _lacks(rows: Sequence[Row]) -> str:
    """Name the reasons; arms of each where there are several."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        reasons.setdefault(row["lack"], []).append(row["arm"])
    if len(reasons) == 1:
        return next(iter(reasons))
    return "; ".join(f"{listed(arms)}: {reason}" for reason, arms in reasons.items())


def _of(rows: Sequence[Row], verdict: str) -> list[Row]:
    return [row for row in rows if row["verdict"] == verdict]


def _differences(rows: Sequence[Row], plan: StudyPlan) -> list[str]:
    if len(rows) <= MANY:
        return _each(rows, plan)
    amounts = [amount(row) for row in sorted(rows, key=lambda row: abs(row["difference"]))]
    p_value = rounding.p_text(max(row["p_corrected"] for row in rows))
    blocks = min(row["n_pairs"] for row in rows)
    return [
        f"{_named(rows)} are {rows[0]['verdict']} than {plan.reference} on {plan.headline}, by {amounts[0]} to "
        f"{amounts[-1]} (corrected p {p_value} at most, {blocks} {plan.comparisons.unit}).",
        *fragile(rows),
    ]


def _resting(robustness: Sequence[Row], compared: Sequence[Row], plan: StudyPlan) -> list[str]:
    """Say which differences shown depend on one condition; name the condition whose loss removes most of them."""
    gone: dict[str, list[str]] = {}
    for row in robustness:
        if row["kind"] == "condition" and row["verdict_of_all"] in SHOWN and row["verdict"] not in SHOWN:
            gone.setdefault(row["left_out"], []).append(row["arm"])
    if not gone:
        return []
    label = max(gone, key=lambda name: len(gone[name]))
    shown = sum(row["verdict"] in SHOWN for row in compared)
    which = "it rests" if shown == 1 else f"{len(gone[label])} of the {shown} differences rest"
    where = condition_heading(plan.condition_of(label), plan.roles)
    return [f"Without {where} no difference would be shown for {listed(gone[label])}: {which} on that condition."]


def _varying(found: Varying | None, compared: Sequence[Row], plan: StudyPlan) -> list[str]:
    """Say whether differences vary between conditions more than by chance, if they do or if a difference is shown."""
    if found is None:
        return []
    test = f"p {rounding.p_text(found.p_value)}, one joint test of all arms"
    between = f"between the {found.conditions} conditions more than by chance"
    if found.p_value > plan.comparisons.alpha:
        shown = any(row["verdict"] in SHOWN for row in compared)
        return [f"Differences to {plan.reference} are not shown to vary {between} ({test})."] if shown else []
    ends = [
        f"{rounding.signed(value)} at {condition_heading(plan.condition_of(label), plan.roles)}"
        for label, value in (found.least, found.most)
    ]
    tasks = ""
    if found.p_tasks is not None:
        said = "and so they do" if found.p_tasks <= plan.comparisons.alpha else "which was not shown"
        tasks = f", {said} between the {found.tasks} tasks (p {rounding.p_text(found.p_tasks)})"
    return [
        f"Differences to {plan.reference} vary {between} ({test}){tasks}, most of all for {found.arm}: {ends[0]}, "
        f"{ends[1]}. The mean over all conditions hides that (view `heterogeneity`)."
    ]


def _no_differences(rows: Sequence[Row], plan: StudyPlan) -> list[str]:
    if len(rows) <= MANY:
        return _each(rows, plan)
    known = [row for row in rows if row["verdict_ci_low"] is not None]
    bounds = min(row["verdict_ci_low"] for row in known), max(row["verdict_ci_high"] for row in known)
    p_value = rounding.p_text(min(row["p_corrected"] for row in rows))
    return [
        f"No difference to {plan.reference} was shown on {plan.headline} for {_named(rows)} (corrected p {p_value} at "
        f"least, {min(row['n_pairs'] for row in rows)} blocks); the data allow differences from "
        f"{rounding.interval(*bounds)}.",
        *fragile(rows),
    ]


def _each(rows: Sequence[Row], plan: StudyPlan) -> list[str]:
    place = f"on {plan.headline}"
    named = [f"the control {row['arm']}" if row["is_control"] else row["arm"] for row in rows]
    reference, unit = plan.reference or "", plan.comparisons.unit
    return [sentence(judged(row, arm, reference, place, unit)) for row, arm in zip(rows, named, strict=True)]


def _none_learned(rows: Sequence[Row], plan: StudyPlan) -> list[str]:
    if not rows:
        return []
    return [f"No verdict between {plan.reference} and {_named(rows)}: none of these arms has learned anything."]


def _named(rows: Sequence[Row]) -> str:
    return listed([f"{row['arm']} (control)" if row["is_control"] else row["arm"] for row in rows])


def _untold(rows: Sequence[Row], plan: StudyPlan) -> list[str]:
    if not rows:
        return []
    blocks = ", ".join(f"{row['arm']} {row['n_pairs']}" for row in rows)
    needed = max(row["pairs_needed"] for row in rows)
    return [
        f"Not enough seeds to show any difference to {plan.reference} for {listed([row['arm'] for row in rows])}: "
        f"{needed} paired {plan.comparisons.unit} are needed, recorded are {blocks}."
    ]


def _controls(rows: Sequence[Row], plan: StudyPlan) -> list[str]:
    """Say which arms differ from which controls; if many do, one sentence for each control."""
    place = f"on {plan.headline}"
    shown = [row for row in rows if row["verdict"] in SHOWN]
    if len(shown) <= MANY:
        unit = plan.comparisons.unit
        return [sentence(judged(row, row["arm"], f"the control {row['against']}", place, unit)) for row in shown]
    kinds = dict.fromkeys((row["against"], row["verdict"]) for row in shown)
    of_kind = [[row for row in shown if (row["against"], row["verdict"]) == kind] for kind in kinds]
    return [said for rows in of_kind for said in (_several(rows, place), *fragile(rows))]


def _several(rows: Sequence[Row], place: str) -> str:
    are = "is" if len(rows) == 1 else "are"
    arms = listed([row["arm"] for row in rows])
    return f"{arms} {are} {rows[0]['verdict']} than the control {rows[0]['against']} {place}."


def _control_warning(rows: Sequence[Row]) -> list[str]:
    gained = [row["arm"] for row in rows if row["is_control"] and row["verdict"] == "better"]
    if not gained:
        return []
    return [
        f"{listed(gained)} being {'a control' if len(gained) == 1 else 'controls'}, a difference of that size needs "
        "nothing that the control lacks."
    ]
