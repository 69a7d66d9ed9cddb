"""Two runs of one question, arm by arm: another commit, another teacher, another search."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from typing import TypeVar

import pyarrow as pa

from ablative.analysis.errors import AnalysisError
from ablative.analysis.numbers.statistics import holm
from ablative.analysis.pairing.losses import losses_of
from ablative.analysis.pairing.mixing import SHARED
from ablative.analysis.pairing.mixing import mixtures_of_two
from ablative.analysis.pairing.observations import Observations
from ablative.analysis.pairing.observations import Place
from ablative.analysis.pairing.observations import observe
from ablative.analysis.pairing.paired import weighted_mean
from ablative.analysis.pairing.pairing import Pairing
from ablative.analysis.pairing.pairing import weights_in
from ablative.analysis.pairing.verdicts import p_values
from ablative.analysis.plan import StudyPlan
from ablative.analysis.plan import shared_conditions
from ablative.analysis.rounding import UNKNOWN
from ablative.analysis.trials import decoded
from ablative.analysis.views.judged import P_VALUES
from ablative.analysis.views.judged import PAIRS
from ablative.analysis.views.results import Results
from ablative.orchestrator.storing.differing import all_values
from ablative.orchestrator.storing.differing import differing

T = TypeVar("T")
FIRST, SECOND = "first", "second"
TWO_RUNS_SCHEMA = pa.schema(
    [
        pa.field("arm", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("first_mean", pa.float64()),
        pa.field("second_mean", pa.float64()),
        *PAIRS.fields,
        *P_VALUES.fields,
        pa.field("declared_late", pa.bool_(), nullable=False),
    ]
)
"""`declared_late`: whether either study changed its target or comparisons after its first confirm trial."""
ORIGINS = ("commit", "identity_version", "data_digest", "teacher_digest", "student_digest", "device")
"""Columns of a record in which two runs may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoRuns:
    """Two runs of a question that are judged alike, and their common parts."""

    plans: tuple[StudyPlan, StudyPlan]
    observed: tuple[Observations, Observations]
    arms: tuple[str, ...]
    conditions: Mapping[str, str]
    """Label in the first -> label in the second."""

    @property
    def metric(self) -> str:
        """The headline of both."""
        return self.plans[0].headline

    def pairing(self, arm: str) -> Pairing:
        """Return the pairing of an arm of the second run, as `SECOND`, with the same arm of the first, as `FIRST`."""
        merged = Observations(
            values={
                name: self._of_both(arm, partial(self._values, name))
                for name in self.observed[0].values.keys() & self.observed[1].values.keys()
            },
            completed=self._of_both(arm, lambda run: self.observed[run].completed),
            failed=self._of_both(arm, lambda run: self.observed[run].failed),
            tasks=self.observed[0].tasks,
            lacks=self._of_both(arm, lambda run: self.observed[run].lacks),
        )
        conditions = tuple(self.conditions)
        return Pairing(
            observations=merged,
            metric=self.metric,
            reference=FIRST,
            conditions=conditions,
            seeds=tuple(seed for seed in self.plans[0].seeds.confirm if seed in self.plans[1].seeds.confirm),
            planned=self._of_both(arm, lambda run: self.plans[run].confirm_planned),
            losses=losses_of(merged, self.metric, (FIRST, SECOND), conditions),
            joined=any(plan.comparisons.blocks == "seed" for plan in self.plans),
            estimate=self.plans[1].comparisons.estimate,
            weights=self._weights(),
        )

    def _weights(self) -> dict[str, float]:
        of_second = weights_in(self.plans[1], tuple(self.conditions.values()))
        return {label: of_second[other] for label, other in self.conditions.items()} if of_second else {}

    def _values(self, metric: str, run: int) -> Mapping[Place, Mapping[int, float]]:
        return self.observed[run].values[metric]

    def _of_both(self, arm: str, of: Callable[[int], Mapping[Place, T]]) -> dict[Place, T]:
        return {
            (name, both[0]): found[arm, both[run]]
            for run, name in enumerate((FIRST, SECOND))
            for both in self.conditions.items()
            if (arm, both[run]) in (found := of(run))
        }


def two_runs(
    first: Results, second: Results, studies: tuple[str, str], shared: Collection[str] = tuple(SHARED)
) -> TwoRuns:
    """Return what two studies have in common; raises AnalysisError without a common arm, condition or headline metric.

    `shared`: columns of a record in which trials must not differ, among `SHARED`; raises IncomparableError.
    """
    plans = first.comparable(studies[0]), second.comparable(studies[1])
    judged = [f"{plan.headline} ({plan.target.mode})" for plan in plans]
    if judged[0] != judged[1]:
        told = " and ".join(f"{plan.study} by {how}" for plan, how in zip(plans, judged, strict=True))
        raise AnalysisError(f"the studies are not judged alike: {told}")
    arms = tuple(arm for arm in plans[0].arms if arm in plans[1].arms)
    conditions = shared_conditions(*plans)
    if not arms or not conditions:
        what = "arm" if not arms else "condition"
        raise AnalysisError(f"{studies[0]} and {studies[1]} have no {what} in common")
    tables = first.observed(studies[0]), second.observed(studies[1])
    first.told(mixtures_of_two(tables, plans, shared))
    observed = observe(tables[0], plans[0]), observe(tables[1], plans[1])
    return TwoRuns(plans=plans, observed=observed, arms=arms, conditions=conditions)


def compared_runs(first: Results, second: Results, studies: tuple[str, str]) -> pa.Table:
    """Return one row an arm that both studies have, second minus first, in `TWO_RUNS_SCHEMA`.

    Pairs are blocks as in the primary comparisons, over the conditions that both studies have. P-values are
    Holm-corrected over the arms. Raises AnalysisError if the studies have no arm, condition or headline metric in
    common.
    """
    both = two_runs(first, second, studies)
    found = [both.pairing(arm).pooled(SECOND) for arm in both.arms]
    late = any(plan.late for plan in both.plans)
    single = p_values([item.counted for item in found], both.plans[1].comparisons.estimate)
    rows = [
        {
            "arm": arm,
            "metric": both.metric,
            "first_mean": item.reference_mean,
            "second_mean": weighted_mean(
                [sum(both) for both in zip(item.reference, item.differences, strict=True)], item.weights
            ),
            **PAIRS.row(item),
            **P_VALUES.row(p_value, p_corrected),
            "declared_late": late,
        }
        for arm, item, p_value, p_corrected in zip(both.arms, found, single, holm(single), strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=TWO_RUNS_SCHEMA)


def late_lines(plans: Sequence[StudyPlan], names: Sequence[str]) -> list[str]:
    """List late declarations for each of several runs; `names`: names of the runs."""
    return [f"{name}: {plan.late_line}" for plan, name in zip(plans, names, strict=True) if plan.late_line]


def differences_of_origin(
    first: Results, second: Results, studies: tuple[str, str], names: Sequence[str] = ()
) -> list[str]:
    """List the commits, data, teachers, students, devices and package versions in which the two runs differ.

    `names`: names of the runs; their studies by default.
    """
    called = names or studies
    before, after = (
        all_values(map(_origin, decoded(results.records(study))))
        for results, study in zip((first, second), studies, strict=True)
    )
    paths = [*ORIGINS, *sorted((before.keys() | after.keys()) - set(ORIGINS))]
    return [
        f"{path}: {_listed(before.get(path, ()))} in {called[0]}, {_listed(after.get(path, ()))} in {called[1]}"
        for path in differing(before, after, paths)
    ]


def _origin(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**{column: row[column] for column in ORIGINS}, **row["versions"]}


def _listed(values: Sequence[Any]) -> str:
    shown = [UNKNOWN if value is None else str(value)[:12] or "none" for value in values]
    return ", ".join(shown) or "none"
