"""The uncertainty that comes from the size of the test set, as a sentence and beside the primary comparisons."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from ablative.analysis import rounding
from ablative.analysis.pairing.outcomes import UNKNOWN
from ablative.analysis.showing.sentences import listed

Row = Mapping[str, Any]
"""One of the view `test_size`."""
MANY = 3
"""Arms that are named one by one."""
COLUMN = "seeds and examples"
"""Heading of the interval over both."""


def examples_line(rows: Sequence[Row]) -> str:
    """Say the same where a table beside it has the column; empty if no examples are known."""
    left = left_open(rows)
    return left and f"{left}; the column {COLUMN!r} includes it."


def left_open(rows: Sequence[Row]) -> str:
    """State the uncertainty that more seeds cannot reduce, over all conditions; empty if no examples are known."""
    known = [row for row in rows if row["both_ci_low"] is not None]
    if not known:
        return ""
    halves = sorted(row["example_half"] for row in known)
    if len(known) > MANY:
        left = f"± {_rounded(halves[0])} to ± {_rounded(halves[-1])} in the differences"
    else:
        left = listed([f"± {_rounded(row['example_half'])} in the difference of {row['arm']}" for row in known])
    clusters, examples = (max(row[name] for row in known) for name in ("clusters", "examples"))
    drawn = f"{examples:,} examples" if clusters == examples else f"{examples:,} examples in {clusters:,} clusters"
    taken = f" ({UNKNOWN})" if any(row["note"] for row in known) else ""
    return f"The test set has {drawn}, which leaves an uncertainty of {left} that more seeds cannot reduce{taken}"


def both_text(rows: Sequence[Row], arm: str) -> str:
    """Return the interval of an arm over seeds and test examples, as text."""
    row = next((row for row in rows if row["arm"] == arm), None)
    return rounding.ABSENT if row is None else rounding.interval(row["both_ci_low"], row["both_ci_high"])


def _rounded(half: float) -> str:
    return f"{half:.{rounding.decimals_for(half)}f}"
