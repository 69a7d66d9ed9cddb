"""How often a design finds effects of known size: counted over simulated studies."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from analysis.effects import effects_view
from analysis.plan import read_plan

FOUND = ("better", "worse")
NO_EFFECT = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """What simulated studies said of one arm, compared with the reference over all conditions."""

    arm: str
    true_effect: float
    num_studies: int
    num_found: int
    """Studies whose corrected verdict was a difference: of the right sign, where there is one."""
    num_enough: int
    """Studies with seeds enough for any verdict."""
    mean_estimate: float
    mean_width: float
    """Of the intervals."""

    @property
    def share(self) -> float:
        """Share of studies that found a difference: the power, or the error rate where there is no effect."""
        return self.num_found / self.num_studies

    @property
    def interval(self) -> tuple[float, float]:
        """The exact 95 % interval of the share (Clopper and Pearson 1934)."""
        from scipy.stats import binomtest  # a second of imports

        found = binomtest(self.num_found, self.num_studies).proportion_ci(0.95)
        return float(found.low), float(found.high)


def powers(
    studies: Iterable[tuple[pa.Table, Mapping[str, Any]]], true_effects: Mapping[str, float]
) -> tuple[list[Power], float]:
    """Return what `studies` (records and study.json each) said of every arm but the reference.

    The second value is the share of studies that claimed a difference where there is none, in any arm.
    """
    rows: dict[str, list[dict[str, Any]]] = {}
    wrong, count = 0, 0
    for records, content in studies:
        found = _headline(records, content)
        for row in found:
            rows.setdefault(row["arm"], []).append(row)
        count += 1
        wrong += any(row["verdict"] in FOUND and abs(true_effects[row["arm"]]) < NO_EFFECT for row in found)
    return [_power(arm, of_arm, true_effects[arm]) for arm, of_arm in rows.items()], wrong / count


def _headline(records: pa.Table, content: Mapping[str, Any]) -> list[dict[str, Any]]:
    effects = effects_view(records, read_plan(content)).to_pylist()
    return [row for row in effects if row["is_headline"] and row["family"] == "pooled" and not row["is_reference"]]


def _power(arm: str, rows: list[dict[str, Any]], true_effect: float) -> Power:
    measured = [row for row in rows if row["difference"] is not None]
    widths = [row["diff_ci_high"] - row["diff_ci_low"] for row in measured if row["diff_ci_low"] is not None]
    right = [row for row in measured if abs(true_effect) < NO_EFFECT or row["difference"] * true_effect > 0]
    return Power(
        arm=arm,
        true_effect=true_effect,
        num_studies=len(rows),
        num_found=sum(row["verdict"] in FOUND for row in right),
        num_enough=sum(row["verdict"] != "not enough seeds" for row in rows),
        mean_estimate=sum(row["difference"] for row in measured) / max(1, len(measured)),
        mean_width=sum(widths) / max(1, len(widths)),
    )
