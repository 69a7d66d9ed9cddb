"""Forest plot: the difference of each arm to the reference, with its interval."""

from __future__ import annotations

from typing import Any

import altair as alt
import pyarrow as pa

from analysis.effects import SHOWN
from analysis.effects import headline_comparisons
from analysis.figures.drawing import INK
from analysis.figures.drawing import arm_colour
from analysis.figures.drawing import colour_scale
from analysis.figures.drawing import data
from analysis.grids import Effects
from analysis.grids import condition_heading
from analysis.grids import headline_rows
from analysis.observations import observe
from analysis.plan import StudyPlan


def forest(effects: Effects, records: pa.Table, plan: StudyPlan) -> Any | None:
    """Return one row of panels a condition, all conditions together first; None without a single pair.

    Every pair is a small point: a seed in a condition, a block of task and seed over all of them.
    """
    headings = {cell.label: condition_heading(cell.condition) for cell in plan.cells}
    points = [
        {
            "arm": row["arm"],
            "panel": headings.get(row["condition"], row["condition"]),
            "difference": row["difference"],
            "low": row["difference"] if row["diff_ci_low"] is None else row["diff_ci_low"],
            "high": row["difference"] if row["diff_ci_high"] is None else row["diff_ci_high"],
            "shown": row["verdict"] in SHOWN,  # drawn as a filled point
            "p_corrected": row["p_corrected"],
            "pairs": row["n_pairs"],
            "kind": "mean",
        }
        for family in ("pooled", "cells")
        for row in headline_rows(effects, family)
        if row["difference"] is not None
    ]
    pairs = [
        {
            "arm": item.arm,
            "panel": headings.get(item.condition, item.condition),
            "difference": difference,
            "kind": "pair",
        }
        for item in headline_comparisons(observe(records, plan), plan)
        for difference in item.differences
    ]
    return _drawn([*points, *pairs], plan) if points else None


def _drawn(points: list[dict[str, Any]], plan: StudyPlan) -> Any:
    arms = [arm for arm in plan.arms if arm != plan.reference]
    panels = list(dict.fromkeys(point["panel"] for point in points))
    y = alt.Y("arm:N", sort=arms, title=None, axis=alt.Axis(labelLimit=240))
    colour = arm_colour(plan, legend=False)
    every = alt.Chart(data(points))
    base = every.transform_filter("datum.kind == 'mean'")
    details = ["arm:N", "difference:Q", "low:Q", "high:Q", "p_corrected:Q", "pairs:Q"]
    title = f"difference to {plan.reference} ({plan.headline})"
    fill = alt.condition("datum.shown", alt.value(1), alt.value(0))
    layers = alt.layer(
        every.transform_filter("datum.kind == 'pair'")
        .mark_point(filled=True, size=9, opacity=0.4)
        .encode(x=alt.X("difference:Q", title=title), y=y, color=colour, tooltip=["arm:N", "difference:Q"]),
        base.mark_rule(color=INK, opacity=0.6, strokeDash=[3, 3]).encode(x=alt.datum(0)),
        base.mark_rule(strokeWidth=1.8).encode(x=alt.X("low:Q", title=title), x2="high:Q", y=y, color=colour),
        base.mark_point(size=60, strokeWidth=1.8, opacity=1).encode(
            x=alt.X("difference:Q", title=title),
            y=y,
            color=colour,
            fill=alt.Fill("arm:N", scale=colour_scale(plan), legend=None),
            fillOpacity=fill,
            tooltip=details,
        ),
    ).properties(width=420, height=22 * len(arms))
    header = alt.Header(labelAngle=0, labelAlign="left", labelOrient="top", labelAnchor="start", labelPadding=2)
    return layers.facet(row=alt.Row("panel:N", sort=panels, title=None, header=header), spacing=8)
