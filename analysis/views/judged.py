"""The columns that views of judged comparisons share, declared once: for schemas, rows and the page on records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from typing import Generic
from typing import ParamSpec

import pyarrow as pa

from ablative.analysis.pairing.observations import Observations
from ablative.analysis.pairing.paired import Paired
from ablative.analysis.pairing.verdicts import Judgement
from ablative.analysis.plan import StudyPlan

About = ParamSpec("About")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a view."""

    name: str
    type: pa.DataType
    unit: str = ""
    meaning: str = ""
    """Description in docs/records.md; empty if the name suffices."""
    nullable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns(Generic[About]):
    """Columns that stand together, and their values in a row."""

    columns: tuple[Column, ...]
    values: Callable[About, tuple[Any, ...]]
    """Returns one value per column, in their order."""

    @property
    def fields(self) -> list[pa.Field]:
        """Their fields in an Arrow schema."""
        return [pa.field(column.name, column.type, nullable=column.nullable) for column in self.columns]

    def row(self, *about: About.args, **named: About.kwargs) -> dict[str, Any]:
        """Return column -> value."""
        return {column.name: value for column, value in zip(self.columns, self.values(*about, **named), strict=True)}


def _place(item: Paired, observations: Observations, plan: StudyPlan) -> tuple[Any, ...]:
    task = observations.tasks.get(item.condition) or None
    data_fraction = plan.roles.data_fraction_of(plan.condition_of(item.condition))
    split = item.metric.partition("/")[0]
    return item.condition, task, data_fraction, item.metric, split, item.metric == plan.headline


def _pairs(item: Paired) -> tuple[Any, ...]:
    low, high = item.difference_interval or (None, None)
    return len(item.differences), item.difference, low, high


def _p_values(p_value: float | None, p_corrected: float | None) -> tuple[Any, ...]:
    return p_value, p_corrected


def _verdict(said: Judgement) -> tuple[Any, ...]:
    return (
        *(said.p_value, said.p_corrected, said.comparisons, said.pairs_needed, said.verdict, said.if_worst),
        *(said.margin, said.margin_share, said.p_equivalent, said.pairs_to_decide),
        *(said.interval or (None, None)),
    )


def _trials(item: Paired) -> tuple[Any, ...]:
    return item.planned, item.completed, item.failed, item.missing


PLACE = Columns(
    values=_place,
    columns=(
        Column(name="condition", type=pa.string(), meaning="the condition as text, or `all conditions`"),
        Column(name="task", type=pa.string(), meaning="null over all conditions", nullable=True),
        Column(
            name="data_fraction",
            type=pa.float64(),
            unit="share",
            meaning="null over all conditions, and where it is not a condition",
            nullable=True,
        ),
        Column(name="metric", type=pa.string(), meaning="`split/name`"),
        Column(name="split", type=pa.string()),
        Column(
            name="is_headline",
            type=pa.bool_(),
            meaning="whether it is the metric of the main table: the target's name on test",
        ),
    ),
)
PAIRS = Columns(
    values=_pairs,
    columns=(
        Column(name="n_pairs", type=pa.int64(), unit="seeds or blocks", meaning="pairs that `difference` rests on"),
        Column(
            name="difference",
            type=pa.float64(),
            unit="as the metric",
            meaning="mean paired difference, or what `comparisons.estimate` says; of two arms, `arm` minus the other",
            nullable=True,
        ),
        Column(
            name="diff_ci_low",
            type=pa.float64(),
            unit="as the metric",
            meaning="lower end of its 95 % interval, not corrected: Student's t of a mean, else order statistics",
            nullable=True,
        ),
        Column(name="diff_ci_high", type=pa.float64(), unit="as the metric", nullable=True),
    ),
)
P_VALUES = Columns(
    values=_p_values,
    columns=(
        Column(name="p_value", type=pa.float64(), meaning="by sign flips, not corrected", nullable=True),
        Column(name="p_corrected", type=pa.float64(), meaning="corrected for so many `comparisons`", nullable=True),
    ),
)
VERDICT = Columns(
    values=_verdict,
    columns=(
        *P_VALUES.columns,
        Column(name="comparisons", type=pa.int64(), meaning="number of comparisons corrected for together"),
        Column(
            name="pairs_needed",
            type=pa.int64(),
            unit="seeds or blocks",
            meaning="least pairs with which this comparison could show anything, given the p-values of the others",
        ),
        Column(
            name="verdict",
            type=pa.string(),
            meaning="`reference`, `better`, `worse`, `higher`, `lower`, `no difference shown` or `not enough seeds`; "
            "with a margin `equivalent` or `not decided` instead of the last two; `none has learned` where no arm of "
            "the comparison beats the majority class",
        ),
        Column(
            name="verdict_if_worst",
            type=pa.string(),
            meaning="the verdict if the lost pairs had spoken against it; `verdict` again where nothing is lost or "
            "there are not enough seeds",
        ),
        Column(
            name="margin",
            type=pa.float64(),
            unit="as the metric",
            meaning="`comparisons.margin`, a share times the mean of what is compared with; null without one, for "
            "metrics that it is not about, and for a share of a mean that is not above 0",
            nullable=True,
        ),
        Column(
            name="margin_share",
            type=pa.float64(),
            unit="share",
            meaning="the margin as declared, where it is a share; null where it is a number of its own",
            nullable=True,
        ),
        Column(name="p_equivalent", type=pa.float64(), meaning="corrected, of equivalence within it", nullable=True),
        Column(
            name="pairs_to_decide",
            type=pa.int64(),
            unit="seeds or blocks",
            meaning="about so many would decide it, with a power of 0.8; null where decided, or without a margin",
            nullable=True,
        ),
        Column(
            name="verdict_ci_low",
            type=pa.float64(),
            unit="as the metric",
            meaning="lower end of the interval that goes with the verdict: what the corrected test does not reject; "
            "null with fewer pairs than could reject anything, and for other metrics than the headline",
            nullable=True,
        ),
        Column(name="verdict_ci_high", type=pa.float64(), unit="as the metric", nullable=True),
    ),
)
TRIALS = Columns(
    values=_trials,
    columns=(
        Column(name="planned", type=pa.int64(), unit="trials", meaning="confirm trials planned"),
        Column(name="completed", type=pa.int64(), unit="trials", meaning="completed with a finite value"),
        Column(name="failed", type=pa.int64(), unit="trials"),
        Column(
            name="missing",
            type=pa.int64(),
            unit="trials",
            meaning="planned, neither completed with a finite value nor failed",
        ),
    ),
)
