"""What a design finds: the decisions of many simulated studies, beside their true effects."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ablative.analysis.numbers.statistics import binomial_interval
from ablative.analysis.pairing.verdicts import NOT_ENOUGH
from ablative.analysis.pairing.verdicts import SHOWN
from ablative.analysis.plan import StudyPlan
from ablative.analysis.plan import read_plan
from ablative.analysis.views.effects import primary_rows

Row = Mapping[str, Any]
"""One row of the view `effects`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """In how many of the studies an event happened."""

    count: int
    studies: int

    @property
    def value(self) -> float:
        """The share itself."""
        return self.count / self.studies

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval, from the number of studies alone."""
        return binomial_interval(self.count, self.studies)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmPower:
    """The studies' decisions on one arm against the reference arm: primary comparison, corrected."""

    arm: str
    is_control: bool
    true_effect: float
    """Arm minus reference, each at its best setting."""
    found: Share
    """Decided as different with the right sign; without a true effect, with either sign: a false positive."""
    wrong_sign: Share
    """Decided as different with the wrong sign; none without a true effect."""
    not_enough: Share
    """Not decided, because of too few seeds."""
    covered: Share
    """The printed interval of the difference held the true effect; among studies with the arm."""
    mean_estimate: float | None
    mean_width: float | None
    """Width of the interval of the difference."""

    @property
    def bias(self) -> float | None:
        """Mean estimate less true effect."""
        return None if self.mean_estimate is None else self.mean_estimate - self.true_effect


class Tally:
    """Collects the primary comparisons of simulated studies of one design."""

    def __init__(self, sizes: Mapping[str, float]) -> None:
        """`sizes`: arm -> the amount added to its target."""
        self._sizes = sizes
        self._plan: StudyPlan | None = None
        self._rows: dict[str, list[Row]] = {}
        self.studies = 0
        self._any_false = 0

    def add(self, stored: Mapping[str, Any], confirm: pa.Table) -> None:
        """Judge one study by its confirm records (in `RECORD_SCHEMA`), as `ablate report` would.

        `stored`: as in its study.json.
        """
        self._plan = read_plan(stored)
        rows = [row for row in primary_rows(confirm, self._plan) if not row["is_reference"]]
        for row in rows:
            self._rows.setdefault(row["arm"], []).append(row)
        self.studies += 1
        self._any_false += any(_decided(row) and not self._true(row["arm"]) for row in rows)

    @property
    def plan(self) -> StudyPlan:
        """Of the study added last."""
        assert self._plan is not None, "no study was added"
        return self._plan

    @property
    def any_false(self) -> Share:
        """Studies that found a difference for at least one arm without any (family-wise error)."""
        return Share(count=self._any_false, studies=self.studies)

    @property
    def alpha(self) -> float:
        """The family-wise error that the study allows."""
        return self.plan.comparisons.alpha

    @property
    def reference(self) -> str:
        """The arm that all others are compared with."""
        return self.plan.reference or ""

    @property
    def headline(self) -> str:
        """The metric of the comparisons."""
        return self.plan.headline

    def arms(self) -> list[ArmPower]:
        """Return one row per arm, without the reference, in the study's order."""
        return [self._power(arm, rows) for arm, rows in self._rows.items()]

    def _true(self, arm: str) -> float:
        return self._sizes[arm] - self._sizes[self.reference]

    def _power(self, arm: str, rows: Sequence[Row]) -> ArmPower:
        true = self._true(arm)
        decided = [row for row in rows if _decided(row)]
        right = [row for row in decided if not true or (row["difference"] > 0) == (true > 0)]
        measured = [row for row in rows if row["diff_ci_low"] is not None]
        estimates = [row["difference"] for row in rows if row["difference"] is not None]
        widths = [row["diff_ci_high"] - row["diff_ci_low"] for row in measured]
        return ArmPower(
            arm=arm,
            is_control=arm in self.plan.controls,
            true_effect=true,
            found=self._share(len(right)),
            wrong_sign=self._share(len(decided) - len(right)),
            not_enough=self._share(sum(row["verdict"] == NOT_ENOUGH for row in rows)),
            covered=Share(
                count=sum(row["diff_ci_low"] <= true <= row["diff_ci_high"] for row in measured), studies=len(rows)
            ),
            mean_estimate=float(np.mean(estimates)) if estimates else None,
            mean_width=float(np.mean(widths)) if widths else None,
        )

    def _share(self, count: int) -> Share:
        return Share(count=count, studies=self.studies)


def _decided(row: Row) -> bool:
    return row["verdict"] in SHOWN
