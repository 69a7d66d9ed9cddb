"""Importance of the searched parameters, cell by cell. Exploratory: search trials only."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import altair as alt

from ablative.analysis.plan import StudyPlan
from ablative.analysis.showing.figures.drawing import arm_colour
from ablative.analysis.showing.figures.drawing import arm_shape
from ablative.analysis.showing.figures.drawing import data
from ablative.analysis.showing.figures.drawing import pale_unless_chosen
from ablative.analysis.showing.figures.drawing import panel_width
from ablative.analysis.showing.figures.drawing import side_by_side
from ablative.analysis.showing.figures.drawing import tooltip

_NAMES = {"fanova": "fANOVA", "ped_anova": "PED-ANOVA"}


def importances(rows: Sequence[Mapping[str, Any]], plan: StudyPlan) -> Any | None:
    """Return one panel an evaluator, a point a cell; None where no cell has settings enough, or for one parameter.

    `rows`: of the view `importance`.
    """
    points = [
        {
            "arm": row["arm"],
            "condition": row["condition"],
            "parameter": row["parameter"].rpartition(".")[2],
            "evaluator": row["evaluator"],
            "importance": row["importance"],
            "settings": row["settings"],
        }
        for row in rows
        if row["importance"] is not None
    ]
    evaluators = dict.fromkeys(point["evaluator"] for point in points)
    panels = [
        _panel([point for point in points if point["evaluator"] == name], name, plan, len(evaluators))
        for name in evaluators
    ]
    return side_by_side(panels) if len({point["parameter"] for point in points}) > 1 else None


def _panel(points: list[dict[str, Any]], evaluator: str, plan: StudyPlan, panels: int) -> Any:
    parameters = list(dict.fromkeys(point["parameter"] for point in points))
    return (
        alt.Chart(data(points))
        .mark_point(filled=True, size=38)
        .encode(
            x=alt.X("importance:Q", title="share of the importance", scale=alt.Scale(domain=[0, 1])),
            y=alt.Y("parameter:N", title=None, sort=parameters, axis=alt.Axis(labelLimit=200)),
            color=arm_colour(plan),
            shape=arm_shape(plan),
            opacity=pale_unless_chosen(0.75),
            tooltip=tooltip("arm:N", "condition:N", "parameter:N", "importance:Q", "settings:Q"),
        )
        .properties(width=panel_width(panels), height=26 * len(parameters), title=_NAMES.get(evaluator, evaluator))
    )
