"""Accuracy against cost: what a confirm trial of each arm takes, and what it gives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np

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
from ablative.analysis.showing.grids import condition_heading

Row = Mapping[str, Any]


def trade_off(trials: Sequence[Row], plan: StudyPlan) -> Any | None:
    """Return one panel a condition: device seconds of a confirm trial against the headline; None without trials.

    `trials`: rows of `analysis.trials.decoded` that the plan holds. Small points are seeds, large ones their means.
    """
    headings = {name: condition_heading(cell.condition, plan.roles) for name, cell in plan.cells_at.items()}
    seeds = [
        {
            "arm": row["arm"],
            "panel": headings[row[plan.place_column]],
            "seconds": row["device_seconds"],
            "value": row["metrics"][plan.headline],
            "kind": "seed",
            "seed": row["seed"],
        }
        for row in trials
        if row["phase"] == "confirm"
        and row[plan.place_column] in headings
        and math.isfinite(row["metrics"].get(plan.headline, math.nan))
    ]
    if not seeds:
        return None
    points = [*_means(seeds), *seeds]
    order = [name for name in dict.fromkeys(headings.values()) if any(point["panel"] == name for point in points)]
    panels = [_panel([point for point in points if point["panel"] == name], name, plan, len(order)) for name in order]
    return side_by_side([*panels])


def _means(seeds: Sequence[Row]) -> list[dict[str, Any]]:
    places = dict.fromkeys((point["panel"], point["arm"]) for point in seeds)
    found = []
    for panel, arm in places:
        own = [point for point in seeds if (point["panel"], point["arm"]) == (panel, arm)]
        mean = {name: float(np.mean([point[name] for point in own])) for name in ("seconds", "value")}
        found.append({"arm": arm, "panel": panel, "kind": "mean", **mean})
    return found


def _panel(points: Sequence[dict[str, Any]], title: str, plan: StudyPlan, panels: int) -> Any:
    x = alt.X("seconds:Q", title="device seconds of a trial", scale=alt.Scale(zero=False, padding=10))
    y = alt.Y("value:Q", title=plan.headline, scale=alt.Scale(zero=False))
    base = alt.Chart(data(points)).encode(
        x=x, y=y, color=arm_colour(plan), tooltip=tooltip("arm:N", "kind:N", "seed:Q", "seconds:Q", "value:Q")
    )
    return alt.layer(
        base.transform_filter("datum.kind == 'seed'")
        .mark_point(filled=True, size=SEED_SIZE)
        .encode(opacity=pale_unless_chosen(SEED_OPACITY)),
        base.transform_filter("datum.kind == 'mean'")
        .mark_point(filled=True, size=85)
        .encode(shape=arm_shape(plan), opacity=pale_unless_chosen()),
    ).properties(width=panel_width(panels), height=170, title=title)
