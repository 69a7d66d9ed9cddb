"""Forest plots: paired differences between arms with their intervals, as declared, primary, and by condition."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import altair as alt

from ablative.analysis import rounding
from ablative.analysis.pairing.claimed import FAILS
from ablative.analysis.pairing.claimed import HOLDS
from ablative.analysis.pairing.pairing import pairing_of
from ablative.analysis.pairing.verdicts import SHOWN
from ablative.analysis.pairing.verdicts import holds
from ablative.analysis.plan import StudyPlan
from ablative.analysis.showing.figures.drawing import INK
from ablative.analysis.showing.figures.drawing import SEED_OPACITY
from ablative.analysis.showing.figures.drawing import SEED_SIZE
from ablative.analysis.showing.figures.drawing import arm_colour
from ablative.analysis.showing.figures.drawing import colour_scale
from ablative.analysis.showing.figures.drawing import data
from ablative.analysis.showing.figures.drawing import tooltip
from ablative.analysis.showing.findings import Findings
from ablative.analysis.showing.grids import condition_heading
from ablative.analysis.showing.grids import headline_rows

_WIDE = 690
_HALF = 290
_MANY = 8
"""Lines of a panel beyond which they stand closer."""

Row = Mapping[str, Any]
Points = list[dict[str, Any]]


def forest(found: Findings) -> Any | None:
    """Return the claims, each arm against the reference over all conditions, and each arm against each control.

    None without a single pair. Every pair of the primary comparisons, a block of task and seed, is a small point.
    """
    plan = found.plan
    pairing = pairing_of(found.observations, plan, plan.headline)
    primary = compared(headline_rows(found.effects, "pooled"))
    pairs = seeds_of((row["arm"], pairing.pooled(row["arm"]).differences) for row in primary)
    panels = [
        panel(points_of([{**row, "line": row["claim"]} for row in found.claims]), "declared claims", plan, _WIDE),
        panel([*points_of(primary), *pairs], f"{plan.headline}: difference to {plan.reference}", plan, _WIDE),
        *_against_controls(found.against_controls, plan),
    ]
    drawn = [part for part in panels if part is not None]
    return alt.vconcat(*drawn, spacing=6).resolve_scale(x="shared") if drawn else None


def _against_controls(rows: Sequence[Row], plan: StudyPlan) -> Iterator[Any | None]:
    for control in dict.fromkeys(row["against"] for row in rows):
        own = [row for row in rows if row["against"] == control]
        blocks = seeds_of((row["arm"], row["differences"]) for row in own)
        title = f"{plan.headline}: difference to the control {control}"
        yield panel([*points_of(own), *blocks], title, plan, _WIDE)


def forest_by_condition(found: Findings) -> Any | None:
    """Return a panel a condition; None with a single condition, of which `forest` says the same, or without a pair.

    Every pair, a seed, is a small point.
    """
    plan = found.plan
    headings = {cell.label: condition_heading(cell.condition, plan.roles) for cell in plan.cells}
    pairing = pairing_of(found.observations, plan, plan.headline)
    rows = compared(headline_rows(found.effects, "cells"))
    of_condition = {label: [row for row in rows if row["condition"] == label] for label in headings}
    panels = [
        panel(
            [
                *points_of(of_condition[label]),
                *seeds_of((row["arm"], pairing.in_condition(row["arm"], label).differences) for row in own),
            ],
            headings[label],
            plan,
            _HALF,
        )
        for label, own in of_condition.items()
    ]
    drawn = [part for part in panels if part is not None]
    return alt.concat(*drawn, columns=2).resolve_scale(x="shared") if len(headings) > 1 and drawn else None


def compared(rows: Iterable[Row]) -> list[Row]:
    """Return the rows that have a difference, each with the reference as the other arm."""
    return [{**row, "against": row["reference"]} for row in rows if row["difference"] is not None]


def points_of(rows: Iterable[Row]) -> Points:
    """Return the large points of judged rows; a row may name its `line`, which is its arm otherwise."""
    return [
        {
            "line": row.get("line", row["arm"]),
            "arm": row["arm"],
            "against": row["against"],
            "difference": row["difference"],
            **_ends(row),
            "shown": row["verdict"] in (*SHOWN, HOLDS, FAILS) and holds(row),  # drawn as a filled point
            "p_corrected": row["p_corrected"],
            "n": row["n_pairs"],
            "verdict": row["verdict"] if holds(row) else f"{row['verdict']}; at worst: {row['verdict_if_worst']}",
            "kind": "mean",
        }
        for row in rows
        if row["difference"] is not None
    ]


def _ends(row: Row) -> dict[str, float]:
    low, high = rounding.drawn_ends(row)
    return {"low": row["difference"] if low is None else low, "high": row["difference"] if high is None else high}


def seeds_of(differences: Iterable[tuple[str, Sequence[float]]]) -> Points:
    """Return the small points of (arm, its paired differences)."""
    return [
        {"line": arm, "arm": arm, "difference": difference, "kind": "pair"}
        for arm, found in differences
        for difference in found
    ]


def panel(points: Points, title: str, plan: StudyPlan, width: int) -> Any | None:
    """Return lines of differences with their intervals around zero; None without a point."""
    if not points:
        return None
    lines = list(dict.fromkeys(point["line"] for point in points))
    y = alt.Y("line:N", sort=lines, title=None, axis=alt.Axis(labelLimit=250))
    colour = arm_colour(plan, legend=False)
    every = alt.Chart(data(points))
    base = every.transform_filter("datum.kind == 'mean'")
    x = alt.X("difference:Q", title="paired difference", axis=alt.Axis(tickCount=7, format="~g", titlePadding=2))
    pairs = (
        every.transform_filter("datum.kind == 'pair'")
        .mark_point(filled=True, size=SEED_SIZE, opacity=SEED_OPACITY)
        .encode(x=x, y=y, color=colour, tooltip=tooltip("arm:N", "difference:Q"))
    )
    layers = [
        *([pairs] if any(point["kind"] == "pair" for point in points) else []),
        base.mark_rule(color=INK, opacity=0.6, strokeDash=[3, 3]).encode(x=alt.datum(0)),
        base.mark_rule(strokeWidth=1.8).encode(x=alt.X("low:Q"), x2="high:Q", y=y, color=colour),
        base.mark_point(size=70, strokeWidth=1.8, opacity=1).encode(
            x=x,
            y=y,
            color=colour,
            fill=alt.Fill("arm:N", scale=colour_scale(plan), legend=None),
            fillOpacity=alt.condition("datum.shown", alt.value(1), alt.value(0)),
            tooltip=tooltip(
                "arm:N", "against:N", "difference:Q", "low:Q", "high:Q", "n:Q", "p_corrected:Q", "verdict:N"
            ),
        ),
    ]
    step = 22 if len(lines) <= _MANY else 16
    return alt.layer(*layers).properties(width=width, height=step * len(lines), title=title)
