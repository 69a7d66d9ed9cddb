"""The search, one picture a view of it: each parameter against the target, and all parameters side by side.

Exploratory: search trials only, judged on validation data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import altair as alt

from ablative.analysis.plan import StudyPlan
from ablative.analysis.showing.figures.drawing import INK
from ablative.analysis.showing.figures.drawing import arm_colour
from ablative.analysis.showing.figures.drawing import arm_shape
from ablative.analysis.showing.figures.drawing import colour_scale
from ablative.analysis.showing.figures.drawing import data
from ablative.analysis.showing.figures.drawing import pale_unless_chosen
from ablative.analysis.showing.figures.drawing import panel_width
from ablative.analysis.showing.figures.drawing import side_by_side
from ablative.analysis.showing.figures.drawing import tooltip

_WIDE = 20.0
"""Numbers without a known domain whose greatest is so many times their least are drawn on a logarithmic axis."""
_LOGARITHMIC = ("loguniform", "lograndint")
_MOST_AXES = 8
_LEAST_LINES = 8
"""Completed settings below which parallel coordinates show no pattern."""

Row = Mapping[str, Any]


def slices(trials: Sequence[Row], plan: StudyPlan) -> Any | None:
    """Return one panel a searched parameter: its value against the target; None without a search.

    `trials`: rows of `analysis.trials.decoded` that the plan holds. Stopped settings are hollow, at their last value.
    """
    rows = _searched(trials, plan)
    paths = _paths(rows)
    panels = [_slice(path, [row for row in rows if path in row["parameters"]], plan, len(paths)) for path in paths]
    return side_by_side([*panels]) if panels else None


def parallel_coordinates(trials: Sequence[Row], plan: StudyPlan) -> Any | None:
    """Return a line a completed setting over all its parameters to the target.

    None with fewer than two parameters, or too few settings to see a pattern. Each axis runs from the least to the
    greatest value found, logarithmic where the slice is; categories in order.
    """
    rows = [row for row in _searched(trials, plan) if row["state"] == "completed"]
    axes = [*_paths(rows)[: _MOST_AXES - 1], plan.target.metric]
    if len(axes) < 3 or len(rows) < _LEAST_LINES:
        return None
    found = {axis: [value for row in rows if (value := _at(row, axis, plan)) is not None] for axis in axes}
    scales = {axis: _Axis(values, is_log=_is_log(axis, values, plan)) for axis, values in found.items()}
    points = [
        {
            "trial": row["trial"],
            "arm": row["arm"],
            "axis": _short(axis),
            "place": scales[axis].place(value),
            "value": str(value) if isinstance(value, str) else value,
            "target": row["target"],
        }
        for row in rows
        for axis in axes
        if (value := _at(row, axis, plan)) is not None
    ]
    ends = [
        {"axis": _short(axis), "place": place, "label": label}
        for axis in axes
        for place, label in scales[axis].labels()
    ]
    x = alt.X("axis:N", sort=[_short(axis) for axis in axes], title=None, axis=alt.Axis(labelAngle=0, labelLimit=130))
    y = alt.Y("place:Q", axis=None, scale=alt.Scale(domain=[-0.05, 1.05], nice=False))
    colour = alt.Color("target:Q", title=plan.target.metric, scale=alt.Scale(scheme="viridis"))
    details = tooltip("arm:N", "target:Q", "trial:N")
    lines = alt.Chart(data(points)).mark_line(strokeWidth=1.2, opacity=0.55)
    words = alt.Chart(data(ends)).mark_text(align="left", dx=5, fontSize=10, color=INK)
    return alt.layer(
        alt.Chart(data(ends)).mark_line(color=INK, opacity=0.5, strokeWidth=1).encode(x=x, y=y, detail="axis:N"),
        lines.encode(x=x, y=y, color=colour, detail="trial:N", tooltip=details),
        words.encode(x=x, y=y, text="label:N"),
    ).properties(width=110 * len(axes), height=240)


def _searched(trials: Sequence[Row], plan: StudyPlan) -> list[dict[str, Any]]:
    return [
        {
            "arm": row["arm"],
            "trial": row["trial_id"][:8],
            "parameters": row["parameters"],
            "target": row["metrics"][plan.target.metric],
            "state": row["status"],
        }
        for row in trials
        if row["phase"] == "search" and math.isfinite(row["metrics"].get(plan.target.metric, math.nan))
    ]


def _paths(rows: Sequence[Row]) -> list[str]:
    """Parameters that took more than one value, in the order met."""
    found: dict[str, set[str]] = {}
    for row in rows:
        for path, value in row["parameters"].items():
            found.setdefault(path, set()).add(str(value))
    return [path for path, values in found.items() if len(values) > 1]


def _slice(path: str, rows: Sequence[Row], plan: StudyPlan, panels: int) -> Any:
    values = [row["parameters"][path] for row in rows]
    numeric = all(_is_number(value) for value in values)
    points = [
        {
            "arm": row["arm"],
            "value": row["parameters"][path] if numeric else str(row["parameters"][path]),
            "target": row["target"],
            "state": row["state"],
            "trial": row["trial"],
        }
        for row in rows
    ]
    x = alt.X("value:Q", title=_short(path), **_scaled(path, values, plan)) if numeric else None
    category = alt.X("value:N", title=_short(path), axis=alt.Axis(labelAngle=0, labelLimit=70))
    filled = alt.condition("datum.state == 'stopped'", alt.value(0), alt.value(0.75))
    return (
        alt.Chart(data(points))
        .mark_point(size=26, strokeWidth=1.2)
        .encode(
            x=x or category,
            y=alt.Y("target:Q", scale=alt.Scale(zero=False), title=plan.target.metric),
            color=arm_colour(plan),
            fill=alt.Fill("arm:N", scale=colour_scale(plan), title=None, legend=alt.Legend(orient="bottom")),
            fillOpacity=filled,
            shape=arm_shape(plan),
            opacity=pale_unless_chosen(),
            tooltip=tooltip("arm:N", f"value:{'Q' if numeric else 'N'}", "target:Q", "state:N", "trial:N"),
        )
        .properties(width=panel_width(panels), height=150)
    )


def _scaled(path: str, values: Sequence[float], plan: StudyPlan) -> dict[str, Any]:
    """Return scale and axis of a numeric parameter, logarithmic where its domain is."""
    if not _is_log(path, values, plan):
        axis = alt.Axis(tickCount=4, grid=False, format="~g")
        return {"scale": alt.Scale(zero=False, nice=False, padding=8), "axis": axis}
    least, most = min(values), max(values)
    decades = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    within = (1, 2, 5) if most < 100 * least else (1,)
    ticks = [tick for decade in decades for times in within if least <= (tick := float(f"{times}e{decade}")) <= most]
    axis = alt.Axis(values=ticks or [least, most], grid=False, format="~e" if most < _SMALL else "~g")
    return {"scale": alt.Scale(type="log", nice=False, padding=8), "axis": axis}


_SMALL = 0.01
"""Numbers below it are written with an exponent."""


class _Axis:
    """Values of one axis of the parallel coordinates, placed in [0, 1]."""

    def __init__(self, values: Sequence[Any], *, is_log: bool) -> None:
        self._numeric = all(_is_number(value) for value in values)
        self._order = [] if self._numeric else sorted({str(value) for value in values})
        self._log = is_log
        self._low: float = min(values) if self._numeric else 0
        self._high: float = max(values) if self._numeric else len(self._order) - 1

    def place(self, value: Any) -> float:
        """Return where `value` stands; the middle where all are equal."""
        found, low, high = (value if self._numeric else self._order.index(str(value))), self._low, self._high
        if self._log:
            found, low, high = math.log(found), math.log(low), math.log(high)
        return 0.5 if high == low else (found - low) / (high - low)

    def labels(self) -> list[tuple[float, str]]:
        """Return place and text of what is written along the axis."""
        if self._numeric:
            return [(self.place(value), f"{value:.3g}") for value in (self._low, self._high)]
        return [(self.place(value), value) for value in self._order]


def _at(row: Row, axis: str, plan: StudyPlan) -> Any:
    return row["target"] if axis == plan.target.metric else row["parameters"].get(axis)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_log(path: str, values: Sequence[Any], plan: StudyPlan) -> bool:
    """Whether the parameter's domain is logarithmic, or, of one that the study no longer has, its values are wide."""
    if not all(_is_number(value) and value > 0 for value in values):
        return False
    domain = plan.search.space.get(path)
    if domain is not None:
        return any(name in domain for name in _LOGARITHMIC)
    return bool(max(values) / min(values) >= _WIDE)


def _short(path: str) -> str:
    return path if "/" in path else path.rpartition(".")[2] or path
