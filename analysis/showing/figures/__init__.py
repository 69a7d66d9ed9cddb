"""The pictures of a study, and the files they are written to."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from typing import Literal
from typing import get_args

from ablative.analysis.showing.figures.cost import cost
from ablative.analysis.showing.figures.drawing import pdf
from ablative.analysis.showing.figures.drawing import png
from ablative.analysis.showing.figures.drawing import rows_of
from ablative.analysis.showing.figures.drawing import specification
from ablative.analysis.showing.figures.drawing import svg
from ablative.analysis.showing.figures.drawing import unchecked
from ablative.analysis.showing.figures.forest import forest
from ablative.analysis.showing.figures.forest import forest_by_condition
from ablative.analysis.showing.figures.heat_map import heat_maps
from ablative.analysis.showing.figures.importance import importances
from ablative.analysis.showing.figures.learning import learning_curves
from ablative.analysis.showing.figures.learning import search_curves
from ablative.analysis.showing.figures.low_shot import low_shot
from ablative.analysis.showing.figures.search import parallel_coordinates
from ablative.analysis.showing.figures.search import slices
from ablative.analysis.showing.figures.shift import shift
from ablative.analysis.showing.figures.trade_off import trade_off
from ablative.analysis.showing.findings import Findings
from ablative.analysis.showing.findings import findings
from ablative.analysis.trials import decoded
from ablative.analysis.views.importance import PED_ANOVA
from ablative.analysis.views.importance import importance_view
from ablative.analysis.views.results import Results
from ablative.analysis.views.results import load

Kind = Literal["svg", "png", "pdf", "json", "csv"]
KINDS: tuple[str, ...] = get_args(Kind)
"""What a figure can be written as: a picture, its Vega-Lite specification (json), or its data (csv)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One picture with what has to be known to read it."""

    name: str
    title: str
    caption: str
    specification: dict[str, Any]
    """Vega-Lite with its data, for a page."""
    exploratory: bool = False
    """Whether it shows the search: validation data, in none of the results."""

    def svg(self) -> str:
        """Return it as SVG that takes its text colour from the page around it."""
        return svg(self.specification, self.name)

    def png(self, scale: float = 2.0) -> bytes:
        """Return it as PNG on white, `scale` pixels for each of the SVG's."""
        return png(self.specification, scale)

    def csv(self) -> str:
        """Return the data it shows."""
        rows = rows_of(self.specification)
        file = io.StringIO()
        columns = list(dict.fromkeys(name for row in rows for name in row))
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return file.getvalue()

    def content(self, kind: Kind) -> bytes:
        """Return it as the bytes of a file of `kind`."""
        if kind == "png":
            return self.png()
        if kind == "pdf":
            return pdf(self.specification)
        texts = {"svg": self.svg, "csv": self.csv, "json": lambda: json.dumps(self.specification, indent=1)}
        return texts[kind]().encode()


def study_figures(results: Results, study: str, found: Findings | None = None) -> list[Figure]:
    """Return the figures that the records of `study` allow, the effects first, the search last.

    `found`: its findings, where they are known already.
    """
    with unchecked():
        return _study_figures(results, study, found or findings(results, study))


def _study_figures(results: Results, study: str, found: Findings) -> list[Figure]:
    plan, records = found.plan, results.records(study)
    trials = decoded(records)
    current = [row for row in trials if plan.current is None or row["trial_id"] in plan.current]
    curves = [row for row in results.curves.to_pylist() if row["study"] == study]
    metric = plan.target.metric
    drawn = [
        _figure(
            name="effects",
            title="Effects",
            caption=f"Paired differences with their 95 % intervals; small points are the pairs. {_FILLED}",
            chart=forest(found),
        ),
        _figure(
            name="low_shot",
            title="Accuracy against labelled data" if plan.target.name == "accuracy" else "Low-shot curves",
            caption="Mean over confirm seeds with its 95 % interval; small points are seeds. Arms are set side by "
            "side for legibility. The axes do not start at zero.",
            chart=low_shot(found),
        ),
        _figure(
            name="effects_by_condition",
            title="Effects by condition",
            caption=f"Paired difference to {plan.reference} in each condition with its 95 % interval; small points "
            f"are seeds. {_FILLED}",
            chart=forest_by_condition(found),
        ),
        _figure(
            name="factors",
            title="Factors, two at a time",
            caption="Mean of the arms at two levels, over all conditions and seeds. Whether a factor or interaction "
            "shows an effect, `ablate query STUDY factors` says.",
            chart=heat_maps(found.effects, plan),
        ),
        _figure(
            name="shift",
            title="Under shift",
            caption="Left: paired difference between arms on each shifted test, corrected within it. Right: each "
            "arm's fall from test to shifted test, taken inside each trial. Means with 95 % intervals; small points "
            f"are blocks of task and seed. {_FILLED}",
            chart=shift(found),
        ),
        _figure(
            name="trade_off",
            title="Accuracy against cost",
            caption="Small points are confirm seeds, large points their mean. A trial's cost depends on what "
            "else its machine ran.",
            chart=trade_off(current, plan),
        ),
        _figure(
            name="learning",
            title="Training",
            caption="Mean over confirm seeds on validation data; thin lines are seeds.",
            chart=learning_curves(curves, current, plan),
        ),
        _figure(
            name="gradients",
            title="Distillation against the task",
            caption="Length of distillation's gradient in the encoder by the length of the task's, where it was "
            "measured during training. Mean over confirm seeds; thin lines are seeds.",
            chart=learning_curves(curves, current, plan, "train/gradient_ratio"),
        ),
        _figure(
            name="cost",
            title="Cost",
            caption="Device time of all recorded trials, including failed ones.",
            chart=cost(trials, plan),
        ),
        _figure(
            name="search_slices",
            title="Each parameter against the target",
            caption=f"One point a search trial: its {metric}. Hollow: stopped early, at the value reached by then.",
            chart=slices(current, plan),
            exploratory=True,
        ),
        _figure(
            name="search_parallel",
            title="All parameters side by side",
            caption=f"One line a completed search trial, coloured by its {metric}.",
            chart=parallel_coordinates(current, plan),
            exploratory=True,
        ),
        _figure(
            name="search_importance",
            title="Which parameters mattered",
            caption="One point a cell with enough settings. Importance says how much the target varied with a "
            "parameter in the searched space; it says nothing about other spaces.",
            chart=importances(importance_view(records, plan, (PED_ANOVA,)).to_pylist(), plan),
            exploratory=True,
        ),
        _figure(
            name="search_learning",
            title="Training during the search",
            caption="One line a search trial on validation data; a cross ends a line where the trial was stopped.",
            chart=search_curves(curves, current, plan),
            exploratory=True,
        ),
    ]
    return [figure for figure in drawn if figure is not None]


_FILLED = (
    "Filled: a difference was shown after correction; hollow: none was shown, there are too few pairs to show one, or "
    "failed trials could undo it."
)


def _figure(*, name: str, title: str, caption: str, chart: Any | None, exploratory: bool = False) -> Figure | None:
    """Return the figure of an Altair chart; None where there was nothing to draw."""
    if chart is None:
        return None
    drawn = specification(chart)
    return Figure(name=name, title=title, caption=caption, specification=drawn, exploratory=exploratory)


def write_figures(
    uri: str,
    study: str,
    folder: Path,
    kinds: Sequence[Kind] = ("svg", "png"),
    *,
    mixed: bool = False,
    say: Callable[[str], None] = lambda problem: None,
) -> list[Path]:
    """Write each figure of `study` into `folder` as `<name>.<kind>`; return the files.

    `say` is told what was left out, or mixed.
    """
    results = load(uri, study, mixed=mixed)
    figures = study_figures(results, study)
    for problem in results.problems:
        say(problem)
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for figure in figures:
        for kind in kinds:
            path = folder / f"{figure.name}.{kind}"
            path.write_bytes(figure.content(kind))
            written.append(path)
    return written


__all__ = ["KINDS", "Figure", "Kind", "study_figures", "write_figures"]
