"""Learning curves: the target on val during training, of the confirm trials."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np

from analysis.figures.drawing import arm_colour
from analysis.figures.drawing import arm_shape
from analysis.figures.drawing import data
from analysis.grids import condition_heading
from analysis.plan import StudyPlan


def learning_curves(
    curves: Sequence[Mapping[str, Any]], trials: Sequence[Mapping[str, Any]], plan: StudyPlan
) -> Any | None:
    """Return one panel a condition: mean over seeds at each step; None where no curve was recorded.

    `curves`: rows of the view `curves`; `trials`: rows of the view `trials` that count.
    """
    headings = {cell.name: condition_heading(cell.condition) for cell in plan.cells}
    places = {row["trial_id"]: (row["arm"], headings.get(row["cell"])) for row in trials if row["phase"] == "confirm"}
    split, _, name = plan.target.metric.partition("/")
    values: dict[tuple[str, str, int], list[float]] = {}
    for point in curves:
        arm, panel = places.get(point["trial_id"], (None, None))
        if arm is not None and panel is not None and (point["split"], point["metric"]) == (split, name):
            values.setdefault((panel, arm, point["step"]), []).append(point["value"])
    rows = [
        {"panel": panel, "arm": arm, "step": step, "value": float(np.mean(found))}
        for (panel, arm, step), found in sorted(values.items())
        if np.isfinite(found).all()
    ]
    return _drawn(rows, list(dict.fromkeys(headings.values())), plan) if rows else None


def _drawn(rows: list[dict[str, Any]], order: list[str], plan: StudyPlan) -> Any:
    panels = [name for name in order if any(row["panel"] == name for row in rows)]
    charts = [_panel([row for row in rows if row["panel"] == name], name, plan) for name in panels]
    return alt.concat(*charts, columns=min(4, len(charts)))


def _panel(rows: list[dict[str, Any]], title: str, plan: StudyPlan) -> Any:
    x = alt.X("step:Q", title="step", axis=alt.Axis(tickCount=4, grid=False))
    y = alt.Y("value:Q", scale=alt.Scale(zero=False), title=plan.target.metric)
    base = alt.Chart(data(rows)).encode(x=x, y=y, color=arm_colour(plan))
    return alt.layer(
        base.mark_line(strokeWidth=1.5), base.mark_point(filled=True, size=35).encode(shape=arm_shape(plan))
    ).properties(width=170, height=140, title=title)
