"""Low-shot curves: the headline metric against the share of labelled data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt

from ablative.analysis.plan import StudyPlan
from ablative.analysis.showing.figures.drawing import SEED_OPACITY
from ablative.analysis.showing.figures.drawing import SEED_SIZE
from ablative.analysis.showing.figures.drawing import arm_colour
from ablative.analysis.showing.figures.drawing import arm_shape
from ablative.analysis.showing.figures.drawing import data
from ablative.analysis.showing.figures.drawing import pale_unless_chosen
from ablative.analysis.showing.figures.drawing import panel_width
from ablative.analysis.showing.figures.drawing import side_by_side
from ablative.analysis.showing.figures.drawing import tooltip
from ablative.analysis.showing.findings import Findings
from ablative.analysis.showing.grids import condition_heading
from ablative.analysis.showing.grids import headline_rows

_SPREAD = 0.05  # arms stand side by side: each is moved by this share of its x


def low_shot(found: Findings) -> Any | None:
    """Return one panel a task: means with 95 % intervals, and each seed as a small point.

    None where the study has fewer than two data fractions or nothing is observed.
    """
    plan = found.plan
    conditions = {cell.label: cell.condition for cell in plan.cells}
    crossed = {plan.roles.data_fraction_of(condition) for condition in conditions.values()}
    fractions = sorted(fraction for fraction in crossed if fraction is not None)
    points = _points(found, conditions)
    if len(fractions) < 2 or not points:
        return None
    headings = dict.fromkeys(point["panel"] for point in points)
    panels = [
        _panel([point for point in points if point["panel"] == name], name, plan, fractions, len(headings))
        for name in headings
    ]
    return side_by_side([*panels])


def _points(found: Findings, conditions: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    plan, observations = found.plan, found.observations
    points: list[dict[str, Any]] = []
    for row in headline_rows(found.effects, "cells"):
        condition = conditions[row["condition"]]
        fraction = plan.roles.data_fraction_of(condition)
        if row["mean"] is None or fraction is None:
            continue
        shift = plan.arms.index(row["arm"]) - (len(plan.arms) - 1) / 2
        heading = condition_heading(condition, plan.roles, leave_out=plan.roles.data_fraction)
        place = {
            "arm": row["arm"],
            "data_fraction": fraction,
            "panel": heading if len(condition) > 1 else plan.headline,
            "x": fraction * (1 + _SPREAD * shift),
        }
        ends = {end: row["mean"] if row[end] is None else row[end] for end in ("ci_low", "ci_high")}
        points.append({**place, **ends, "kind": "mean", "value": row["mean"], "n": row["n"]})
        seeds = observations.of(plan.headline, (row["arm"], row["condition"]))
        points += [{**place, "kind": "seed", "seed": seed, "value": value} for seed, value in seeds.items()]
    return points


def _panel(points: list[dict[str, Any]], title: str, plan: StudyPlan, fractions: list[float], panels: int) -> Any:
    x = alt.X(
        "x:Q",
        scale=alt.Scale(type="log", nice=False, padding=14),
        axis=alt.Axis(values=fractions, labelExpr="format(100 * datum.value, '~g') + ' %'", grid=False),
        title="labelled data",
    )
    y = alt.Y("value:Q", scale=alt.Scale(zero=False), title=plan.headline)
    low = alt.Y("ci_low:Q", title=plan.headline)
    colour = arm_colour(plan)
    base = alt.Chart(data(points))
    means = base.transform_filter("datum.kind == 'mean'")
    seeds = base.transform_filter("datum.kind == 'seed'").mark_point(filled=True, size=SEED_SIZE)
    pale, full = pale_unless_chosen(SEED_OPACITY), pale_unless_chosen()
    details = tooltip("arm:N", "data_fraction:Q", "value:Q", "ci_low:Q", "ci_high:Q", "n:Q")
    of_seed = tooltip("arm:N", "data_fraction:Q", "seed:Q", "value:Q")
    return alt.layer(
        seeds.encode(x=x, y=y, color=colour, opacity=pale, tooltip=of_seed),
        means.mark_line(strokeWidth=1.5).encode(x=x, y=y, color=colour, opacity=pale_unless_chosen(0.8)),
        means.mark_rule(strokeWidth=1.5).encode(x=x, y=low, y2="ci_high:Q", color=colour, opacity=full),
        means.mark_point(filled=True, size=55).encode(
            x=x, y=y, color=colour, shape=arm_shape(plan), opacity=full, tooltip=details
        ),
    ).properties(width=panel_width(panels), height=200, title=title)
