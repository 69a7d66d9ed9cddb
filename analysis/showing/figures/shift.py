"""Under shift: how the arms differ on each shifted test, and how far each falls from test to it."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np

from ablative.analysis.numbers.statistics import t_interval
from ablative.analysis.pairing.observations import Observations
from ablative.analysis.pairing.pairing import Unit
from ablative.analysis.pairing.pairing import pairing_of
from ablative.analysis.plan import StudyPlan
from ablative.analysis.showing.figures.drawing import INK
from ablative.analysis.showing.figures.drawing import SEED_OPACITY
from ablative.analysis.showing.figures.drawing import SEED_SIZE
from ablative.analysis.showing.figures.drawing import arm_colour
from ablative.analysis.showing.figures.drawing import data
from ablative.analysis.showing.figures.drawing import tooltip
from ablative.analysis.showing.figures.forest import compared
from ablative.analysis.showing.figures.forest import panel
from ablative.analysis.showing.figures.forest import points_of
from ablative.analysis.showing.figures.forest import seeds_of
from ablative.analysis.showing.findings import Findings
from ablative.splits import is_shifted

_WIDTH = 280


def shift(found: Findings) -> Any | None:
    """Return two panels a shifted split: the paired differences between arms on it, and each arm's fall from test.

    The first are rows of `effects` over all conditions that have the split, corrected within it. A fall is taken
    inside each trial and averaged over the conditions of a task under one seed. None where no shifted split is seen.
    """
    observations, plan = found.observations, found.plan
    name = plan.target.name
    named = [(metric, metric.partition("/")) for metric in observations.metrics]
    splits = [metric for metric, (split, _, last) in named if is_shifted(split) and last == name]
    differences = [_differences(found, metric) for metric in splits]
    falls = [
        _drawn(rows, f"{metric.partition('/')[0]} minus test", plan)
        for metric in splits
        if (rows := [row for arm in plan.arms for row in _falls(observations, plan, metric, arm)])
    ]
    columns = [
        alt.vconcat(*drawn).resolve_scale(x="shared")
        for panels in (differences, falls)
        if (drawn := [part for part in panels if part is not None])
    ]
    return alt.hconcat(*columns, spacing=30) if columns else None


def _differences(found: Findings, metric: str) -> Any | None:
    plan = found.plan
    pairing = pairing_of(found.observations, plan, metric)
    rows = compared(row for row in found.effects if row["metric"] == metric and row["family"] == "pooled")
    pairs = seeds_of((row["arm"], pairing.pooled(row["arm"]).differences) for row in rows)
    title = f"{metric.partition('/')[0]}: difference to {plan.reference}"
    return panel([*points_of(rows), *pairs], title, plan, _WIDTH)


def _falls(observations: Observations, plan: StudyPlan, metric: str, arm: str) -> list[dict[str, Any]]:
    """Return the mean with its interval, and each block of task and seed."""
    by_block: dict[Unit, list[float]] = {}
    for label in plan.conditions:
        test = observations.of(f"test/{plan.target.name}", (arm, label))
        for seed, value in observations.of(metric, (arm, label)).items():
            if seed in test:
                by_block.setdefault((observations.tasks[label], seed), []).append(value - test[seed])
    falls = {block: float(np.mean(values)) for block, values in by_block.items()}
    if not falls:
        return []
    mean = float(np.mean(list(falls.values())))
    low, high = t_interval(list(falls.values())) or (mean, mean)
    place = {"arm": arm, "split": metric.partition("/")[0]}
    blocks = [{**place, "gap": gap, "task": task, "seed": seed, "kind": "seed"} for (task, seed), gap in falls.items()]
    return [{**place, "gap": mean, "low": low, "high": high, "n": len(falls), "kind": "mean"}, *blocks]


def _drawn(rows: list[dict[str, Any]], title: str, plan: StudyPlan) -> Any:
    y = alt.Y("arm:N", sort=list(plan.arms), title=None, axis=alt.Axis(labelLimit=250))
    x = alt.X("gap:Q", title=f"change of {plan.target.name}")
    colour = arm_colour(plan, legend=False)
    every = alt.Chart(data(rows))
    base = every.transform_filter("datum.kind == 'mean'")
    details = tooltip("arm:N", "gap:Q", "low:Q", "high:Q", "n:Q")
    return alt.layer(
        every.transform_filter("datum.kind == 'seed'")
        .mark_point(filled=True, size=SEED_SIZE, opacity=SEED_OPACITY)
        .encode(x=x, y=y, color=colour, tooltip=tooltip("arm:N", "task:N", "seed:Q", "gap:Q")),
        base.mark_rule(color=INK, opacity=0.6, strokeDash=[3, 3]).encode(x=alt.datum(0)),
        base.mark_rule(strokeWidth=1.8).encode(x=alt.X("low:Q"), x2="high:Q", y=y, color=colour),
        base.mark_point(filled=True, size=60, opacity=1).encode(x=x, y=y, color=colour, tooltip=details),
    ).properties(width=_WIDTH, height=(22 if len(plan.arms) <= 8 else 16) * len(plan.arms), title=title)
