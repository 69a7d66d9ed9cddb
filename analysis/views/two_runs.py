"""Two runs of one question, arm by arm: another commit, another teacher, another search."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence

import pyarrow as pa

from ablative.analysis.errors import AnalysisError
from ablative.analysis.numbers.statistics import holm
from ablative.analysis.pairing.mixing import mixtures_of_two
from ablative.analysis.pairing.observations import Observations
from ablative.analysis.pairing.observations import observe
from ablative.analysis.pairing.paired import ArmDifference
from ablative.analysis.pairing.pairing import Pairing
from ablative.analysis.pairing.verdicts import p_values
from ablative.analysis.plan import shared_conditions
from ablative.analysis.rounding import UNKNOWN
from ablative.analysis.trials import decoded
from ablative.analysis.views.judged import P_VALUES
from ablative.analysis.views.judged import PAIRS
from ablative.analysis.views.results import Results

FIRST, SECOND = "first", "second"
TWO_RUNS_SCHEMA = pa.schema(
    [
        pa.field("arm", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("first_mean", pa.float64()),
        pa.field("second_mean", pa.float64()),
        *PAIRS.fields,
        *P_VALUES.fields,
    ]
)
ORIGINS = ("commit", "identity_version", "data_digest", "teacher_digest", "student_digest", "device")
"""Columns of a record that say what two runs may have done differently."""


def compared_runs(first: Results, second: Results, studies: tuple[str, str]) -> pa.Table:
    """Return one row an arm that both studies have, second minus first, in `TWO_RUNS_SCHEMA`.

    Pairs are blocks as in the primary comparisons, over the conditions that both studies have.
    P-values are Holm-corrected over the arms. Raises AnalysisError where the studies have no arm, condition or
    headline metric in common.
    """
    plans = first.comparable(studies[0]), second.comparable(studies[1])
    judged = [f"{plan.headline} ({plan.target.mode})" for plan in plans]
    if judged[0] != judged[1]:
        told = " and ".join(f"{plan.study} by {how}" for plan, how in zip(plans, judged, strict=True))
        raise AnalysisError(f"the studies are not judged alike: {told}")
    arms = [arm for arm in plans[0].arms if arm in plans[1].arms]
    conditions = shared_conditions(*plans)
    if not arms or not conditions:
        what = "arm" if not arms else "condition"
        raise AnalysisError(f"{studies[0]} and {studies[1]} have no {what} in common")
    first.told(mixtures_of_two((first.observed(studies[0]), second.observed(studies[1])), plans))
    observed = observe(first.observed(studies[0]), plans[0]), observe(second.observed(studies[1]), plans[1])
    seeds = tuple(seed for seed in plans[0].seeds.confirm if seed in plans[1].seeds.confirm)
    joined = any(plan.comparisons.blocks == "seed" for plan in plans)
    found = [_pooled(arm, plans[0].headline, observed, conditions, seeds, joined) for arm in arms]
    single = p_values([item.differences for item in found])
    rows = [
        {
            "arm": arm,
            "metric": plans[0].headline,
            "first_mean": item.reference_mean,
            "second_mean": None if item.difference is None else (item.reference_mean or 0.0) + item.difference,
            **PAIRS.row(item),
            **P_VALUES.row(p_value, p_corrected),
        }
        for arm, item, p_value, p_corrected in zip(arms, found, single, holm(single), strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=TWO_RUNS_SCHEMA)


def differences_of_origin(first: Results, second: Results, studies: tuple[str, str]) -> list[str]:
    """Say in which commits, data, teachers, students, devices and package versions the two runs differ."""
    rows = [decoded(results.records(study)) for results, study in zip((first, second), studies, strict=True)]
    said = []
    for column in ORIGINS:
        found = [sorted({_value(row[column]) for row in mine}) for mine in rows]
        if found[0] != found[1]:
            said.append(f"{column}: {_listed(found[0])} in {studies[0]}, {_listed(found[1])} in {studies[1]}")
    versions = [{pair for row in mine for pair in row["versions"].items()} for mine in rows]
    for package in sorted({name for name, _ in versions[0] ^ versions[1]}):
        found = [sorted(version for name, version in mine if name == package) for mine in versions]
        said.append(f"{package}: {_listed(found[0])} in {studies[0]}, {_listed(found[1])} in {studies[1]}")
    return said


def _pooled(
    arm: str,
    metric: str,
    observed: tuple[Observations, Observations],
    conditions: Mapping[str, str],
    seeds: tuple[int, ...],
    joined: bool,
) -> ArmDifference:
    values = {
        (name, both[0]): mine.of(metric, (arm, own))
        for both in conditions.items()
        for name, mine, own in zip((FIRST, SECOND), observed, both, strict=True)
    }
    both = Observations(
        values={metric: values},
        completed={},
        failed={},
        tasks=observed[0].tasks,
    )
    pairing = Pairing(
        observations=both,
        metric=metric,
        reference=FIRST,
        conditions=tuple(conditions),
        seeds=seeds,
        planned={},
        joined=joined,
    )
    return pairing.pooled(SECOND)


def _value(value: object) -> str:
    return UNKNOWN if value is None else str(value)


def _listed(values: Sequence[str]) -> str:
    shown = [value[:12] or "none" for value in values]
    return ", ".join(shown) or "none"
