from __future__ import annotations

import pytest

from ablative.orchestrator.driving.budget import Spending
from ablative.orchestrator.driving.budget import device_seconds
from ablative.orchestrator.errors import BudgetError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("20gpu-h", 72_000.0), ("2cpu-h", 7_200.0), ("1.5h", 5_400.0), ("90min", 5_400.0), ("600 s", 600.0)],
)
def test_budgets_are_device_time(text: str, seconds: float) -> None:
    assert device_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "0h", "5", "5d", "-1h", "1e3s"])
def test_what_is_no_budget_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BudgetError, match="20gpu-h"):
        device_seconds(text)


def test_nothing_is_started_that_would_not_fit_beside_what_runs() -> None:
    spending = Spending(limit=100.0, typical=30.0)
    assert spending.allows(2)
    assert not spending.allows(3)
    spending.add("search", 10.0)
    spending.lose(2.0)
    assert spending.allows(6)
    assert not spending.allows(8)
    assert spending.spent == {"search": 10.0, "lost": 2.0}


def test_without_a_limit_everything_is_allowed() -> None:
    assert Spending().allows(10**6)
