"""Learning curves: the target on val during training, or another curve, of the confirm trials and of the search."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np

from ablative.analysis.plan import StudyPlan
from ablative.analysis.showing.figures.drawing import arm_colour
from ablative.analysis.showing.figures.drawing import arm_shape
from ablative.analysis.showing.figures.drawing import data
from ablative.analysis.showing.figures.drawing import pale_unless_chosen
from ablative.analysis.showing.figures.drawing import panel_width
from ablative.analysis.showing.figures.drawing import side_by_side
from ablative.analysis.showing.figures.drawing import tooltip
from ablative.analysis.showing.grids import condition_heading

Row = Mapping[str, Any]


def learning_curves(
    curves: Sequence[Row], trials: Sequence[Row], plan: StudyPlan, metric: str | None = None
) -> Any | None:
    """Return one panel a condition: mean over seeds at each step, and each seed; None where no curve was recorded.

    `curves`: rows of the view `curves`; `trials`: rows of `analysis.trials.decoded` that the plan holds. `metric`:
    the curve's split and name, as `train/loss`; the target unless given.
    """
    metric = metric or plan.target.metric
    points = _points(curves, trials, plan, "confirm", metric)
    if not points:
        return None
    places = dict.fromkeys((point["panel"], point["arm"], point["step"]) for point in points)
    by_place: dict[tuple[str, str, int], list[float]] = {place: [] for place in places}
    for point in points:
        by_place[point["panel"], point["arm"], point["step"]].append(point["value"])
    means = [
        {"panel": panel, "arm": arm, "step": step, "value": float(np.mean(values)), "kind": "mean"}
        for (panel, arm, step), values in sorted(by_place.items())
    ]
    return _drawn([*means, *points], plan, metric)


def search_curves(curves: Sequence[Row], trials: Sequence[Row], plan: StudyPlan) -> Any | None:
    """Return one panel a condition: a line a search trial, with a cross where a rule stopped it; None without any."""
    metric = plan.target.metric
    points = _points(curves, trials, plan, "search", metric)
    stopped = {row["trial_id"][:8] for row in trials if row["status"] == "stopped"}
    last: dict[tuple[str, str], dict[str, Any]] = {}
    for point in points:
        place = (point["panel"], point["trial"])
        if point["trial"] in stopped and point["step"] >= last.get(place, point)["step"]:
            last[place] = point
    ended = ({**point, "kind": "stopped"} for point in last.values())
    return _drawn([*points, *ended], plan, metric) if points else None


def _points(
    curves: Sequence[Row], trials: Sequence[Row], plan: StudyPlan, phase: str, metric: str
) -> list[dict[str, Any]]:
    headings = {name: condition_heading(cell.condition, plan.roles) for name, cell in plan.cells_at.items()}
    places: dict[str, list[Row]] = {}  # a trial may stand in several cells
    for row in trials:
        if row["phase"] == phase and row[plan.place_column] in headings:
            places.setdefault(row["trial_id"], []).append(row)
    split, _, name = metric.partition("/")
    return [
        {
            "panel": headings[row[plan.place_column]],
            "arm": row["arm"],
            "trial": point["trial_id"][:8],
            "seed": row["seed"],
            "step": point["step"],
            "value": point["value"],
            "kind": "trial",
        }
        for point in curves
        if (point["split"], point["metric"]) == (split, name) and np.isfinite(point["value"])
        for row in places.get(point["trial_id"], ())
    ]


def _drawn(rows: list[dict[str, Any]], plan: StudyPlan, metric: str) -> Any:
    order = dict.fromkeys(condition_heading(cell.condition, plan.roles) for cell in plan.cells)
    panels = [name for name in order if any(row["panel"] == name for row in rows)]
    charts = [
        _panel([row for row in rows if row["panel"] == name], name, plan, metric, len(panels)) for name in panels
    ]
    return side_by_side([*charts])


def _panel(rows: list[dict[str, Any]], title: str, plan: StudyPlan, metric: str, panels: int) -> Any:
    x = alt.X("step:Q", title="step", axis=alt.Axis(tickCount=4, grid=False))
    y = alt.Y("value:Q", scale=alt.Scale(zero=False), title=metric)
    details = tooltip("arm:N", "seed:Q", "step:Q", "value:Q", "trial:N")
    base = alt.Chart(data(rows)).encode(x=x, y=y, color=arm_colour(plan), tooltip=details)
    means = base.transform_filter("datum.kind == 'mean'")
    kinds = {row["kind"] for row in rows}
    lines = (
        base.transform_filter("datum.kind == 'trial'")
        .mark_line(strokeWidth=0.7)
        .encode(detail="trial:N", opacity=pale_unless_chosen(0.4 if "mean" in kinds else 0.6))
    )
    crosses = (
        base.transform_filter("datum.kind == 'stopped'")
        .mark_point(shape="M-0.5,-0.5L0.5,0.5M-0.5,0.5L0.5,-0.5", size=40, strokeWidth=1.3)
        .encode(opacity=pale_unless_chosen())
    )
    thick = [
        means.mark_line(strokeWidth=1.6).encode(opacity=pale_unless_chosen()),
        means.mark_point(filled=True, size=35).encode(shape=arm_shape(plan), opacity=pale_unless_chosen()),
    ]
    layers = [lines, *(thick if "mean" in kinds else []), *([crosses] if "stopped" in kinds else [])]
    return alt.layer(*layers).properties(width=panel_width(panels), height=150, title=title)
