"""Cost: device time of each arm, by phase."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import altair as alt

from ablative.analysis.plan import StudyPlan
from ablative.analysis.showing.figures.drawing import INK
from ablative.analysis.showing.figures.drawing import data
from ablative.analysis.showing.figures.drawing import panel_width
from ablative.analysis.showing.figures.drawing import tooltip

_PHASES = {"search": "#56B4E9", "confirm": "#0072B2", "taken from another study": "#b0b0b0"}


def device_seconds(trials: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], float]:
    """Return device seconds by (arm, phase); a trial that stands at two places of a study is counted at the first.

    Trials taken from another study cost nothing here; they are a phase of their own.
    """
    spent: dict[tuple[str, str], float] = {}
    seen: set[str] = set()
    for row in trials:
        if row["trial_id"] in seen:
            continue
        seen.add(row["trial_id"])
        phase = "taken from another study" if row["source_study"] else row["phase"]
        spent[row["arm"], phase] = spent.get((row["arm"], phase), 0.0) + row["device_seconds"]
    return spent


def cost(trials: Sequence[Mapping[str, Any]], plan: StudyPlan) -> Any | None:
    """Return a bar an arm of device minutes, search and confirm stacked; None without trials."""
    spent = device_seconds(trials)
    if not spent:
        return None
    rows = [{"arm": arm, "phase": phase, "minutes": seconds / 60} for (arm, phase), seconds in spent.items()]
    found = [phase for phase in _PHASES if any(row["phase"] == phase for row in rows)]
    scale = alt.Scale(domain=found, range=[_PHASES[phase] for phase in found])
    return (
        alt.Chart(data(rows))
        .mark_bar(height=14, stroke=INK, strokeWidth=0.3)
        .encode(
            x=alt.X("sum(minutes):Q", title="device minutes (seconds of a trial x its devices)"),
            y=alt.Y("arm:N", sort=list(plan.arms), title=None, axis=alt.Axis(labelLimit=240)),
            tooltip=tooltip("arm:N", "phase:N", "minutes:Q"),
            color=alt.Color("phase:N", scale=scale, title=None, legend=alt.Legend(orient="bottom")),
        )
        .properties(width=panel_width(1), height=24 * len(plan.arms))
    )
