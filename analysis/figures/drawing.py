"""How figures look, and how they become SVG and PNG without a network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import altair as alt

from analysis.plan import StudyPlan

INK = "currentColor"
"""Text and axes take the colour of the page around an inline SVG, so one figure serves light and dark."""

_REFERENCE_COLOUR = "#8c8c8c"
# Okabe and Ito's colours, told apart by all common kinds of colour vision; without black and yellow, which vanish
# on a dark or a light page.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")

# Labels are measured with one font and drawn with the reader's: the padding leaves room for a wider one.
_FONT = "Arial, Helvetica, Liberation Sans, sans-serif"
_PADDING = {"left": 30, "right": 12, "top": 4, "bottom": 4}

Rows = Sequence[dict[str, Any]]


def data(rows: Rows) -> alt.InlineData:
    """Return `rows` as a chart's data."""
    return alt.InlineData(values=list(rows))


def colour_scale(plan: StudyPlan) -> alt.Scale:
    """Grey for the reference arm, one hue for each other arm."""
    others = [arm for arm in plan.arms if arm != plan.reference]
    given = {arm: _COLOURS[position % len(_COLOURS)] for position, arm in enumerate(others)}
    return alt.Scale(domain=list(plan.arms), range=[given.get(arm, _REFERENCE_COLOUR) for arm in plan.arms])


def arm_colour(plan: StudyPlan, *, legend: bool = True) -> alt.Color:
    """Colour by arm, on `colour_scale`."""
    drawn = alt.Legend(orient="bottom") if legend else None
    return alt.Color("arm:N", scale=colour_scale(plan), title=None, legend=drawn)


def arm_shape(plan: StudyPlan, *, legend: bool = True) -> alt.Shape:
    """Shape by arm, so that colour is never the only difference."""
    shapes = [_SHAPES[position % len(_SHAPES)] for position in range(len(plan.arms))]
    scale = alt.Scale(domain=list(plan.arms), range=shapes)
    return alt.Shape("arm:N", scale=scale, title=None, legend=alt.Legend(orient="bottom") if legend else None)


def themed(chart: Any, background: str) -> Any:
    """Return `chart` with the colours and sizes that all figures share."""
    ink = {"labelColor": INK, "titleColor": INK}
    lines = {"domainColor": INK, "tickColor": INK, "gridColor": INK, "gridOpacity": 0.12}
    return (
        chart.configure(background=background, font=_FONT, padding=_PADDING)
        .configure_axis(**ink, **lines, titleFontWeight="normal")
        .configure_legend(**ink, labelLimit=260, columns=4, columnPadding=28, symbolOpacity=1)
        .configure_header(**ink, labelFontWeight="bold", labelLimit=320)
        .configure_title(color=INK, fontSize=12, anchor="start")
        .configure_view(stroke=None)
    )


def svg(chart: Any, name: str) -> str:
    """Return `chart` as SVG to stand inline in a page; `name` makes its ids differ from other figures'."""
    import vl_convert

    drawn = str(vl_convert.vegalite_to_svg(themed(chart, "transparent").to_json()))
    drawn = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', drawn)
    return re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", drawn)


def png(chart: Any, scale: float = 2.0) -> bytes:
    """Return `chart` as PNG on white."""
    import vl_convert

    spec = themed(chart, "white").to_json().replace(INK, "#222222")
    return bytes(vl_convert.vegalite_to_png(spec, scale=scale))
