"""Numbers as people read them: as many digits as their uncertainty leaves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

ABSENT = "-"
UNKNOWN = "unknown"
_DECIMALS = 3  # where no uncertainty is known
_MOST = 6


def decimals_for(uncertainty: float | None) -> int:
    """Return the decimals that leave two significant digits of `uncertainty`, between 0 and 6."""
    if uncertainty is None or not math.isfinite(uncertainty) or uncertainty <= 0:
        return _DECIMALS
    return min(_MOST, max(0, 1 - math.floor(math.log10(uncertainty))))


def with_half(mean: float | None, low: float | None, high: float | None) -> str:
    """Return `0.521 ± 0.013` with both rounded alike; the mean alone without an interval."""
    if mean is None:
        return ABSENT
    if low is None or high is None:
        return f"{mean:.{_DECIMALS}f}"
    half = (high - low) / 2
    places = decimals_for(half)
    return f"{mean:.{places}f} ± {half:.{places}f}"


def signed_with_half(difference: float | None, low: float | None, high: float | None) -> str:
    """Return `+0.045 ± 0.013`, as `with_half` does."""
    text = with_half(difference, low, high)
    return text if text.startswith("-") else f"+{text}"


def half(row: Mapping[str, Any]) -> float | None:
    """Return half the interval of a row's difference; None without one."""
    return None if row["diff_ci_low"] is None else float(row["diff_ci_high"] - row["diff_ci_low"]) / 2


def drawn_ends(row: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Return the interval of a row's verdict, or the plain one of a metric or of pairs that have no other."""
    name = "diff_ci" if row["verdict_ci_low"] is None else "verdict_ci"
    return row[f"{name}_low"], row[f"{name}_high"]


def signed_with_ends(row: Mapping[str, Any]) -> str:
    """Return a row's difference with the interval of its verdict, `+0.045 [+0.021, +0.068]`; alone without one."""
    low, high = row["verdict_ci_low"], row["verdict_ci_high"]
    text = signed(row["difference"], half(row))
    return text if low is None else f"{text} [{signed(low, half(row))}, {signed(high, half(row))}]"


def signed(value: float | None, uncertainty: float | None = None) -> str:
    """Return `+0.045`, rounded by its uncertainty."""
    return ABSENT if value is None else f"{value + 0.0:+.{decimals_for(uncertainty)}f}"  # -0.0 + 0.0 is 0.0


def interval(low: float | None, high: float | None) -> str:
    """Return `+0.021 to +0.068`, rounded by the interval's half width."""
    if low is None or high is None:
        return ABSENT
    half = (high - low) / 2
    return f"{signed(low, half)} to {signed(high, half)}"


def p_text(p_value: float | None) -> str:
    """Return two significant digits, `< 0.0001` below that."""
    if p_value is None:
        return ABSENT
    return "< 0.0001" if p_value < 1e-4 else f"{p_value:.2g}"


def share(fraction: float) -> str:
    """Return a share of the data as `1 %`."""
    return f"{100 * fraction:g} %"
