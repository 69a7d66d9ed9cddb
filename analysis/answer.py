"""The answer to a study's question in sentences that are never stronger than its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from analysis import numbers
from analysis.effects import NO_DIFFERENCE
from analysis.effects import NOT_ENOUGH
from analysis.effects import SHOWN
from analysis.grids import Effects
from analysis.grids import headline_rows
from analysis.plan import StudyPlan

Row = Mapping[str, Any]

MANY = 3
"""Arms of one verdict that have a sentence each."""


def answer(effects: Effects, plan: StudyPlan) -> list[str]:
    """Return sentences on the primary comparisons: each arm against the reference over all conditions.

    First what is incomplete, then the differences shown, then where none was shown and what the interval still
    allows, then what cannot be told yet; last a warning where a control gained like an arm. More than `MANY` arms with
    one verdict share a sentence.
    """
    rows = headline_rows(effects, "pooled")
    compared = [row for row in rows if not row["is_reference"]]
    sentences = [
        *_incomplete(rows),
        *(said for verdict in SHOWN for said in _differences(_of(compared, verdict), plan)),
        *_no_differences(_of(compared, NO_DIFFERENCE), plan),
        *_untold([row for row in compared if row["verdict"] == NOT_ENOUGH], plan),
        *_control_warning(compared),
    ]
    return sentences or [f"Only the reference arm {plan.reference} is planned: there is nothing to compare it with."]


def _incomplete(rows: Sequence[Row]) -> list[str]:
    planned, failed = sum(row["planned"] for row in rows), sum(row["failed"] for row in rows)
    missing = sum(row["missing"] for row in rows)
    if missing:
        return [f"Provisional: of {planned} planned confirm trials {missing} are missing and {failed} failed."]
    return [f"Of {planned} planned confirm trials {failed} failed and are left out."] if failed else []


def _of(rows: Sequence[Row], verdict: str) -> list[Row]:
    return [row for row in rows if row["verdict"] == verdict]


def _differences(rows: Sequence[Row], plan: StudyPlan) -> list[str]:
    if len(rows) <= MANY:
        return [_difference(row, plan) for row in rows]
    amounts = [_amount(row) for row in sorted(rows, key=lambda row: abs(row["difference"]))]
    p_value = numbers.p_text(max(row["p_corrected"] for row in rows))
    blocks = min(row["n_pairs"] for row in rows)
    return [
        f"{_named(rows)} are {rows[0]['verdict']} than {plan.reference} on {plan.headline}, by {amounts[0]} to "
        f"{amounts[-1]} (corrected p {p_value} at most, {blocks} blocks of task and seed)."
    ]


def _no_differences(rows: Sequence[Row], plan: StudyPlan) -> list[str]:
    if len(rows) <= MANY:
        return [_no_difference(row, plan) for row in rows]
    known = [row for row in rows if row["diff_ci_low"] is not None]
    bounds = min(row["diff_ci_low"] for row in known), max(row["diff_ci_high"] for row in known)
    p_value = numbers.p_text(min(row["p_corrected"] for row in rows))
    return [
        f"No difference to {plan.reference} was shown on {plan.headline} for {_named(rows)} (corrected p {p_value} at "
        f"least, {min(row['n_pairs'] for row in rows)} blocks); the data allow differences from "
        f"{numbers.interval(*bounds)}."
    ]


def _named(rows: Sequence[Row]) -> str:
    return _listed([f"{row['arm']} (control)" if row["is_control"] else row["arm"] for row in rows])


def _difference(row: Row, plan: StudyPlan) -> str:
    arm = f"The control {row['arm']}" if row["is_control"] else row["arm"]
    return f"{arm} is {row['verdict']} than {plan.reference} on {plan.headline}, by {_amount(row)} ({_support(row)})."


def _no_difference(row: Row, plan: StudyPlan) -> str:
    arm = f"the control {row['arm']}" if row["is_control"] else row["arm"]
    low, high = row["diff_ci_low"], row["diff_ci_high"]
    allowed = "" if low is None else f"; the data allow differences from {numbers.interval(low, high)}"
    return (
        f"No difference between {arm} and {plan.reference} was shown on {plan.headline} "
        f"(corrected p {numbers.p_text(row['p_corrected'])}, {row['n_pairs']} blocks){allowed}."
    )


def _untold(rows: Sequence[Row], plan: StudyPlan) -> list[str]:
    if not rows:
        return []
    blocks = ", ".join(f"{row['arm']} {row['n_pairs']}" for row in rows)
    needed = max(row["pairs_needed"] for row in rows)
    return [
        f"Not enough seeds to show any difference to {plan.reference} for {_listed([row['arm'] for row in rows])}: "
        f"{needed} paired blocks of task and seed are needed, recorded are {blocks}."
    ]


def _control_warning(rows: Sequence[Row]) -> list[str]:
    gained = [row["arm"] for row in rows if row["is_control"] and row["verdict"] == "better"]
    if not gained:
        return []
    return [
        f"{_listed(gained)} being {'a control' if len(gained) == 1 else 'controls'}, a difference of that size needs "
        "nothing that the control lacks."
    ]


def _amount(row: Row) -> str:
    low, high = row["diff_ci_low"], row["diff_ci_high"]
    half = None if low is None else (high - low) / 2
    return f"{abs(row['difference']):.{numbers.decimals_for(half)}f}"


def _support(row: Row) -> str:
    difference = numbers.interval(row["diff_ci_low"], row["diff_ci_high"])
    p_value = numbers.p_text(row["p_corrected"])
    return f"95 % interval {difference}, corrected p {p_value}, {row['n_pairs']} blocks of task and seed"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
