"""A limit on what one run may spend, in device time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from dataclasses import field

from ablative.orchestrator.errors import BudgetError

_FORM = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:(?:gpu|cpu|device)-?)?(h|min|s)\s*")
_SECONDS = {"h": 3600.0, "min": 60.0, "s": 1.0}


def device_seconds(text: str) -> float:
    """Return the seconds of `20gpu-h`, `90min` or `600s`; raises BudgetError for anything else."""
    found = _FORM.fullmatch(text)
    if found is None or float(found[1]) == 0:
        raise BudgetError(
            f"--budget {text!r}: should be a number above 0 and a unit, such as 20gpu-h, 90min or 600s of device time"
        )
    return float(found[1]) * _SECONDS[found[2]]


@dataclass(slots=True, kw_only=True)
class Spending:
    """Device seconds that a run has spent, by purpose."""

    limit: float | None = None
    """Device seconds; None for no limit."""
    typical: float = 0.0
    """Expected device seconds of a trial, used until a trial of this run has ended."""
    spent: dict[str, float] = field(default_factory=dict)
    """`search`, `confirm`, `stopped` and `failed` trials, and `lost` attempts."""
    num_ended: int = 0

    def add(self, kind: str, seconds: float) -> None:
        """Count a trial that ended."""
        self.spent[kind] = self.spent.get(kind, 0.0) + seconds
        self.num_ended += 1

    def lose(self, seconds: float) -> None:
        """Count attempts that were lost."""
        if seconds:
            self.spent["lost"] = self.spent.get("lost", 0.0) + seconds

    def allows(self, num_running: int) -> bool:
        """Return whether one more trial fits beside `num_running`, at the mean cost of ended trials."""
        if self.limit is None:
            return True
        total = sum(self.spent.values())
        each = total / self.num_ended if self.num_ended else self.typical
        return total + (num_running + 1) * each <= self.limit
