"""Heat maps of a factorial design: two factors' levels against the headline metric."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import altair as alt
import numpy as np

from ablative.analysis.pairing.factors import levels_of_arms
from ablative.analysis.plan import StudyPlan
from ablative.analysis.showing.figures.drawing import data
from ablative.analysis.showing.grids import Effects
from ablative.analysis.showing.grids import headline_rows

_MOST_PAIRS = 6
_LIGHT = 0.62
"""Share of the colour scale beyond which it is light, and words on it are dark."""


def heat_maps(effects: Effects, plan: StudyPlan) -> Any | None:
    """Return a panel each pair of factors: the mean over the arms at two levels, pooled over all conditions.

    None unless the design is factorial or fractional with two factors or more, and something was observed.
    """
    levels = levels_of_arms(plan)
    means = {
        row["arm"]: row["mean"]
        for row in headline_rows(effects, "pooled")
        if row["arm"] in levels and row["mean"] is not None
    }
    factors = list(plan.designed.factors)
    pairs = list(combinations(factors, 2))[:_MOST_PAIRS]
    if len(factors) < 2 or not means or not any(levels.values()):
        return None
    cells = {pair: _cells(pair, levels, means, plan.designed.base) for pair in pairs}
    values = [cell["mean"] for found in cells.values() for cell in found]
    domain = (min(values), max(values))
    panels = [_panel(pair, found, domain, plan) for pair, found in cells.items()]
    return alt.concat(*panels, columns=3).resolve_scale(color="shared")


def _cells(
    pair: tuple[str, str], levels: Mapping[str, Mapping[str, str]], means: Mapping[str, float], base: str
) -> list[dict[str, Any]]:
    found: dict[tuple[str, str], list[float]] = {}
    for arm, mean in means.items():
        first, second = (levels[arm].get(factor, base) for factor in pair)
        found.setdefault((first, second), []).append(mean)
    return [
        {"first": first, "second": second, "mean": float(np.mean(values)), "arms": len(values)}
        for (first, second), values in found.items()
    ]


def _panel(pair: tuple[str, str], cells: list[dict[str, Any]], domain: tuple[float, float], plan: StudyPlan) -> Any:
    middle = domain[0] + _LIGHT * (domain[1] - domain[0])
    x = alt.X("second:N", title=pair[1], sort=None, axis=alt.Axis(labelAngle=0, labelLimit=110))
    y = alt.Y("first:N", title=pair[0], sort=None, axis=alt.Axis(labelLimit=110))
    scale = alt.Scale(scheme="viridis", domain=list(domain))
    colour = alt.Color("mean:Q", title=plan.headline, scale=scale, legend=alt.Legend(orient="right"))
    base = alt.Chart(data(cells)).encode(x=x, y=y, tooltip=["first:N", "second:N", "mean:Q", "arms:Q"])
    words = base.mark_text(fontSize=11).encode(
        text=alt.Text("mean:Q", format=".4f"),
        color=alt.condition(f"datum.mean > {middle!r}", alt.value("#111111"), alt.value("#ffffff")),
    )
    rows, columns = (len({cell[name] for cell in cells}) for name in ("first", "second"))
    return alt.layer(base.mark_rect().encode(color=colour), words).properties(width=95 * columns, height=44 * rows)
