"""Shift gap: how far each arm falls from test to the shifted tests."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pyarrow as pa

from analysis.figures.drawing import INK
from analysis.figures.drawing import arm_colour
from analysis.figures.drawing import data
from analysis.observations import Observations
from analysis.observations import observe
from analysis.plan import StudyPlan
from analysis.statistics import t_interval


def shift_gap(records: pa.Table, plan: StudyPlan) -> Any | None:
    """Return one panel a task and shifted split: shifted minus test, mean and 95 % interval over seeds.

    The gap is taken inside each trial and averaged over the conditions of a task under one seed. None where no
    shifted split is observed.
    """
    observations = observe(records, plan)
    name = plan.target.name
    splits = [metric for metric in observations.metrics if metric.startswith("test_") and metric.endswith(f"/{name}")]
    rows = [
        row
        for metric in splits
        for task in dict.fromkeys(observations.tasks.values())
        for arm in plan.arms
        for row in _gaps(observations, plan, metric, task, arm)
    ]
    return _drawn(rows, plan) if rows else None


def _gaps(observations: Observations, plan: StudyPlan, metric: str, task: str, arm: str) -> list[dict[str, Any]]:
    """Return the mean with its interval, and each seed."""
    labels = [label for label in plan.conditions if observations.tasks[label] == task]
    by_seed: dict[int, list[float]] = {}
    for label in labels:
        test = observations.of(f"test/{plan.target.name}", (arm, label))
        for seed, value in observations.of(metric, (arm, label)).items():
            if seed in test:
                by_seed.setdefault(seed, []).append(value - test[seed])
    gaps = {seed: float(np.mean(values)) for seed, values in by_seed.items()}
    if not gaps:
        return []
    mean = float(np.mean(list(gaps.values())))
    low, high = t_interval(list(gaps.values())) or (mean, mean)
    place = {"arm": arm, "panel": f"{task}: {metric.partition('/')[0]} minus test"}
    seeds = [{**place, "gap": gap, "seed": seed, "kind": "seed"} for seed, gap in gaps.items()]
    return [{**place, "gap": mean, "low": low, "high": high, "kind": "mean"}, *seeds]


def _drawn(rows: list[dict[str, Any]], plan: StudyPlan) -> Any:
    y = alt.Y("arm:N", sort=list(plan.arms), title=None, axis=alt.Axis(labelLimit=240))
    colour = arm_colour(plan, legend=False)
    every = alt.Chart(data(rows))
    base = every.transform_filter("datum.kind == 'mean'")
    title = f"change of {plan.target.name}"
    layers = alt.layer(
        every.transform_filter("datum.kind == 'seed'")
        .mark_point(filled=True, size=9, opacity=0.4)
        .encode(x=alt.X("gap:Q", title=title), y=y, color=colour, tooltip=["arm:N", "seed:Q", "gap:Q"]),
        base.mark_rule(color=INK, opacity=0.6, strokeDash=[3, 3]).encode(x=alt.datum(0)),
        base.mark_rule(strokeWidth=1.8).encode(x=alt.X("low:Q", title=title), x2="high:Q", y=y, color=colour),
        base.mark_point(filled=True, size=60, opacity=1).encode(
            x=alt.X("gap:Q", title=title), y=y, color=colour, tooltip=["arm:N", "gap:Q", "low:Q", "high:Q"]
        ),
    ).properties(width=420, height=22 * len(plan.arms))
    panels = list(dict.fromkeys(row["panel"] for row in rows))
    header = alt.Header(labelAngle=0, labelAlign="left", labelOrient="top", labelAnchor="start", labelPadding=2)
    return layers.facet(row=alt.Row("panel:N", sort=panels, title=None, header=header), spacing=8)
