"""One judged difference in a sentence that is never stronger than its rounding."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from ablative.analysis import rounding
from ablative.analysis.pairing.claimed import HOLDS
from ablative.analysis.pairing.verdicts import EQUIVALENT
from ablative.analysis.pairing.verdicts import NONE_LEARNED
from ablative.analysis.pairing.verdicts import NOT_DECIDED
from ablative.analysis.pairing.verdicts import NOT_ENOUGH
from ablative.analysis.pairing.verdicts import SHOWN
from ablative.analysis.pairing.verdicts import holds

Row = Mapping[str, Any]
_WORST = "had the failed trials been worst,"


def judged(row: Row, arm: str, against: str, place: str, unit: str) -> str:
    """Say what was found of the first arm of `row` against the other.

    `place`: on which metric, and where. `unit`: what pairs are (`Comparisons.unit`).
    """
    if row["verdict"] in SHOWN:
        support = _support(row, row["p_corrected"], unit)
        said = f"{arm} is {row['verdict']} than {against} {place}, by {amount(row)} ({support})"
        return f"{said}{_at_worst(row)}"
    if row["verdict"] == NONE_LEARNED:
        return f"neither {arm} nor {against} has learned anything, so that nothing is said of their difference {place}"
    if row["verdict"] == NOT_ENOUGH:
        return (
            f"not enough seeds to show a difference between {arm} and {against} {place}: {row['pairs_needed']} "
            f"paired {unit} are needed, recorded are {row['n_pairs']}"
        )
    if row["verdict"] == EQUIVALENT:
        support = _support(row, row["p_equivalent"], unit)
        said = f"{arm} and {against} are equivalent {place} within {_margin(row, against)} ({support})"
        return f"{said}{_at_worst(row)}"
    if row["verdict"] == NOT_DECIDED:
        more = row["pairs_to_decide"]
        needed = f"; about {more} blocks would decide it" if more else ""
        found = rounding.interval(row["verdict_ci_low"], row["verdict_ci_high"])
        return (
            f"whether {arm} and {against} differ by {_margin(row, against)} or more {place} is not decided "
            f"(95 % interval {found}, {row['n_pairs']} blocks{needed}){_at_worst(row)}"
        )
    low, high = row["verdict_ci_low"], row["verdict_ci_high"]
    allowed = "" if low is None else f"; the data allow differences from {rounding.interval(low, high)}"
    return (
        f"no difference between {arm} and {against} was shown {place} "
        f"(corrected p {rounding.p_text(row['p_corrected'])}, {row['n_pairs']} blocks){allowed}{_at_worst(row)}"
    )


def claimed(row: Row, place: str, unit: str) -> str:
    """Say whether a claim with a margin of its own holds.

    `row`: of the view `claims`; `place`, `unit`: as of `judged`.
    """
    if row["claimed"] == "at least":
        what = f"{row['arm']} beats {row['against']} {place} by more than {_margin(row, row['against'])}"
    else:
        what = f"{row['arm']} and {row['against']} are equivalent {place} within {_margin(row, row['against'])}"
    if row["verdict"] == NONE_LEARNED:
        return judged(row, row["arm"], row["against"], place, unit)
    if row["verdict"] == NOT_ENOUGH:
        return (
            f"not enough seeds to tell whether {what}: {row['pairs_needed']} paired {unit} are needed, recorded are "
            f"{row['n_pairs']}"
        )
    support = _support(row, row["p_corrected"], unit)
    if row["verdict"] == NOT_DECIDED:
        more = row["pairs_to_decide"]
        needed = f"; about {more} blocks would decide it" if more else ""
        return f"whether {what} is not decided ({support}{needed}){_at_worst(row)}"
    if row["verdict"] == HOLDS:
        return f"it holds that {what} ({support}){_at_worst(row)}"
    return f"it does not hold that {what} ({support}){_at_worst(row)}"


def fragile(rows: Sequence[Row]) -> list[str]:
    """Say which of several verdicts would not hold if failed trials had been worst; nothing where all would."""
    arms = [row["arm"] for row in rows if not holds(row)]
    return [f"For {listed(arms)} this would not hold {_WORST.rstrip(',')}."] if arms else []


def amount(row: Row) -> str:
    """Return the size of a difference, without its sign."""
    return f"{abs(row['difference']):.{rounding.decimals_for(rounding.half(row))}f}"


def margin_text(margin: float | None, share: float | None, against: str) -> str:
    """Return a margin as a number, and what share of which mean it is where it was declared so."""
    if share is None:
        return f"{margin:g}"
    declared = f"{100 * share:g} % of the mean of {against}"
    return f"{declared}, which is not above 0," if margin is None else f"{margin:.3g} ({declared})"


def _margin(row: Row, against: str) -> str:
    return margin_text(row["margin"], row["margin_share"], against)


def sentence(text: str) -> str:
    """Return a clause as a sentence. A name in front keeps its small letter."""
    begins = text.startswith(("no difference", "not enough", "the control ", "whether ", "neither "))
    return f"{text[0].upper() if begins else text[0]}{text[1:]}."


def listed(names: Sequence[str]) -> str:
    """Return `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _at_worst(row: Row) -> str:
    return "" if holds(row) else f"; {_WORST} the verdict would be: {row['verdict_if_worst']}"


def _support(row: Row, p_value: float, unit: str) -> str:
    difference = rounding.interval(row["verdict_ci_low"], row["verdict_ci_high"])
    return f"95 % interval {difference}, corrected p {rounding.p_text(p_value)}, {row['n_pairs']} {unit}"
