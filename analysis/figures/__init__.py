"""The pictures of a study, and the files they are written to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.figures.cost import cost
from analysis.figures.drawing import png
from analysis.figures.drawing import svg
from analysis.figures.forest import forest
from analysis.figures.learning import learning_curves
from analysis.figures.low_shot import low_shot
from analysis.figures.shift import shift_gap
from analysis.results import Results
from analysis.results import load


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One picture with what has to be known to read it."""

    name: str
    title: str
    caption: str
    chart: Any
    """An Altair chart."""

    def svg(self) -> str:
        """Return it as SVG that takes its text colour from the page around it."""
        return svg(self.chart, self.name)

    def png(self, scale: float = 2.0) -> bytes:
        """Return it as PNG on white, `scale` pixels for each of the SVG's."""
        return png(self.chart, scale)


def study_figures(results: Results, study: str) -> list[Figure]:
    """Return the figures that the records of `study` allow: low-shot curves, effects, shift, learning, cost."""
    plan, records = results.plans[study], results.records[study]
    effects = [row for row in results.effects.to_pylist() if row["study"] == study]
    trials = [row for row in results.trials.to_pylist() if row["study"] == study]
    current = [row for row in trials if row["counts"]]
    curves = [row for row in results.curves.to_pylist() if row["study"] == study]
    drawn = [
        (
            "low_shot",
            "Accuracy against labelled data" if plan.target.name == "accuracy" else "Low-shot curves",
            "Mean over confirm seeds with its 95 % interval; small points are seeds. Arms are set side by side for "
            "legibility. Axes do not start at zero.",
            low_shot(effects, records, plan),
        ),
        (
            "effects",
            "Effects",
            "Paired difference with its 95 % interval. Filled: a difference was shown after correction; hollow: none "
            "was shown, or there are too few seeds to show one.",
            forest(effects, plan),
        ),
        (
            "shift",
            "Under shift",
            "Shifted test minus test, taken inside each trial; mean and 95 % interval over seeds.",
            shift_gap(records, plan),
        ),
        (
            "learning",
            "Training",
            "Mean over confirm seeds on validation data.",
            learning_curves(curves, current, plan),
        ),
        ("cost", "Cost", "Device time of all recorded trials, failed ones included.", cost(trials, plan)),
    ]
    return [
        Figure(name=name, title=title, caption=caption, chart=chart)
        for name, title, caption, chart in drawn
        if chart is not None
    ]


def write_figures(uri: str, study: str, folder: Path, kinds: Sequence[str] = ("svg", "png")) -> list[Path]:
    """Write each figure of `study` into `folder` as `<name>.<kind>`; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for figure in study_figures(load(uri, study), study):
        for kind in kinds:
            path = folder / f"{figure.name}.{kind}"
            path.write_bytes(figure.png() if kind == "png" else figure.svg().encode())
            written.append(path)
    return written


__all__ = ["Figure", "study_figures", "write_figures"]
