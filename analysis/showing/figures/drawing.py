"""How figures look, and how they become SVG, PNG and PDF without a network."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from typing import Any

import altair as alt

from ablative.analysis.plan import StudyPlan

INK = "currentColor"
"""Text and axes take the colour of the page around an inline SVG, so one figure serves light and dark."""

_REFERENCE_COLOUR = "#8c8c8c"
# Okabe and Ito's colours, told apart by all common kinds of colour vision; without black and yellow, which vanish
# on a dark or a light page.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
DARK: Mapping[str, str] = {
    _REFERENCE_COLOUR: "#b4b4b4",
    "#0072B2": "#4aa8ec",
    "#D55E00": "#ff8a3d",
    "#009E73": "#2ccf9f",
    "#CC79A7": "#ea9fc8",
    "#56B4E9": "#a5dcff",
    "#E69F00": "#ffc44d",
}
"""Colour of an arm -> the lighter one that a page's style gives it on a dark page."""
SEED_SIZE, SEED_OPACITY = 16, 0.55
"""Of the small points: seeds and pairs."""
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")

# Labels are measured with one font and drawn with the reader's: the padding leaves room for a wider one.
_FONT = "Arial, Helvetica, Liberation Sans, sans-serif"
_PADDING = {"left": 30, "right": 12, "top": 4, "bottom": 4}

Rows = Sequence[dict[str, Any]]
_DIGITS = 5
"""Significant digits of a chart's data: more than any picture shows, and a third of the page."""


def data(rows: Rows) -> alt.InlineData:
    """Return `rows` as a chart's data, with as many digits as a picture can show."""
    rounded = tuple({name: _rounded(value) for name, value in row.items()} for row in rows)
    return alt.InlineData(values=rounded)  # Altair copies a list whenever charts are combined, a tuple never


def _rounded(value: Any) -> Any:
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value


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


def side_by_side(panels: Sequence[Any]) -> Any:
    """Return the panels, each as wide as `panel_width` says, as one chart.

    Where scripts run, a click on an arm in the legend leaves the others pale.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Automatically deduplicated")  # the panels share it on purpose
        return alt.concat(*panels, columns=2 if len(panels) == 4 else 3).add_params(chosen_arm())


def panel_width(panels: int) -> int:
    """Return the width of each of some panels that stand side by side on a page, three in a row at most."""
    return {1: 620, 2: 390, 4: 390}.get(panels, 245)


def tooltip(*fields: str) -> list[alt.Tooltip]:
    """Return what a point tells: `arm`, `difference`, ...; a field ends with `:N` where it is text."""
    return [alt.Tooltip(field, title=_SPOKEN.get(field.partition(":")[0], alt.Undefined)) for field in fields]


_SPOKEN = {
    "low": "95 % interval from",
    "high": "to",
    "ci_low": "95 % interval from",
    "ci_high": "to",
    "p_corrected": "p, corrected",
    "n": "n (pairs)",
    "against": "less",
    "data_fraction": "share of the data",
}


def chosen_arm() -> Any:
    """Return the choice of arms in the legend; all until one is clicked."""
    return alt.selection_point(name="chosen", fields=["arm"], bind="legend")


def pale_unless_chosen(opacity: float = 1.0) -> Any:
    """Return the opacity of marks whose arm may be left out by `chosen_arm`."""
    return alt.condition(chosen_arm(), alt.value(opacity), alt.value(0.1))


def specification(chart: Any) -> dict[str, Any]:
    """Return `chart` as Vega-Lite with its data, which takes its text colour from the page around it."""
    drawn: dict[str, Any] = chart.to_dict(validate=False)  # what is drawn here is drawn in the tests
    return {**drawn, "config": _config("transparent")}


def _config(background: str) -> dict[str, Any]:
    """Return the colours and sizes that all figures share."""
    ink = {"labelColor": INK, "titleColor": INK}
    lines = {"domainColor": INK, "tickColor": INK, "gridColor": INK, "gridOpacity": 0.12}
    return {
        "background": background,
        "aria": False,  # of each mark: two thirds of a drawing, and nobody listens to a thousand points
        "font": _FONT,
        "padding": _PADDING,
        "axis": {**ink, **lines, "titleFontWeight": "normal"},
        "legend": {**ink, "labelLimit": 260, "columns": 4, "columnPadding": 28, "symbolOpacity": 1},
        "header": {**ink, "labelFontWeight": "bold", "labelLimit": 320},
        "title": {"color": INK, "fontSize": 12, "anchor": "start"},
        "view": {"stroke": None},
    }


def svg(drawn: dict[str, Any], name: str) -> str:
    """Return a specification as SVG to stand inline in a page; `name` makes its ids differ from other figures'."""
    import vl_convert

    text = _PLACES.sub(_in_hundredths, str(vl_convert.vegalite_to_svg(drawn)))
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    return re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", text)


_PLACES = re.compile(r'\b(?:d|transform|[xy][12]?|width|height|viewBox)="[^"]*"')
"""Attributes that hold pixels."""


def _in_hundredths(attribute: re.Match[str]) -> str:
    return re.sub(r"(\.\d\d)\d+", r"\1", attribute[0])  # of a pixel, which are enough


def pdf(drawn: dict[str, Any]) -> bytes:
    """Return a specification as PDF on white."""
    import vl_convert

    return bytes(vl_convert.vegalite_to_pdf(_on_paper(drawn)))


def png(drawn: dict[str, Any], scale: float = 2.0) -> bytes:
    """Return a specification as PNG on white."""
    import vl_convert

    return bytes(vl_convert.vegalite_to_png(_on_paper(drawn), scale=scale))


@contextmanager
def unchecked() -> Iterator[None]:
    """Make charts without holding each of their parts to Vega-Lite's schema, which takes longer than all the rest."""
    from altair.utils.schemapi import debug_mode

    with debug_mode(False):
        yield


def rows_of(drawn: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the data of a specification, all its data sets one after the other."""
    return [row for rows in drawn.get("datasets", {}).values() for row in rows]


def _on_paper(drawn: dict[str, Any]) -> str:
    return json.dumps({**drawn, "config": _config("white")}).replace(INK, "#222222")
