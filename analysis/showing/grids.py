"""The result table as a grid of texts, ready for a terminal, a page or a plain file."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ablative.analysis import rounding
from ablative.analysis.pairing.paired import ALL_CONDITIONS
from ablative.analysis.pairing.verdicts import EQUIVALENT
from ablative.analysis.pairing.verdicts import NO_DIFFERENCE
from ablative.analysis.pairing.verdicts import NONE_LEARNED
from ablative.analysis.pairing.verdicts import NOT_DECIDED
from ablative.analysis.pairing.verdicts import NOT_ENOUGH
from ablative.analysis.pairing.verdicts import REFERENCE
from ablative.analysis.pairing.verdicts import holds
from ablative.analysis.plan import Claim
from ablative.analysis.plan import Roles
from ablative.analysis.plan import StudyPlan
from ablative.analysis.plan import condition_label
from ablative.analysis.showing.examples_line import COLUMN
from ablative.analysis.showing.examples_line import both_text
from ablative.orchestrator.learned import NOT_ABOVE
from ablative.orchestrator.learned import ONE_CLASS
from ablative.orchestrator.learned import SIGN
from ablative.search_spaces.margins import margin_of

MARKS: Mapping[str, str] = {
    "better": "▲",
    "worse": "▼",
    "higher": "▲",
    "lower": "▼",
    EQUIVALENT: "≈",
    NO_DIFFERENCE: "=",
    NOT_DECIDED: "?",
    NOT_ENOUGH: "?",
    NONE_LEARNED: SIGN,
    REFERENCE: "",
}
"""Sign of each verdict in a grid's cells."""

CORRECTED = {
    "auto": "Holm-corrected, or max-T over joint sign flips where Holm's procedure has too few pairs",
    "holm": "Holm-corrected",
    "max_t": "max-T-corrected over joint sign flips",
    "benjamini_hochberg": "corrected for the false discovery rate (Benjamini and Hochberg)",
    "none": "not corrected for multiple comparisons",
}

TESTS = {
    "mean": "sign-flip test",
    "median": "sign test of median differences",
    "hodges_lehmann": "signed-rank test of Hodges-Lehmann differences",
}
"""What `comparisons.estimate` makes the test of a comparison."""

BLOCKS = {
    "task_and_seed": "A block is one task under one seed; its value is the mean over the task's conditions",
    "seed": "A block is one seed; its value is the mean over all tasks and conditions",
}
"""What `comparisons.blocks` makes a block."""
AT_WORST = (
    "at worst: the verdict if the pairs lost to failed trials had spoken against it, as far as any two trials of one "
    "seed are apart; where it differs, the verdict rests on failures being random"
)
INTERVALS = (
    "Intervals of differences go with the verdicts: they hold what the corrected test does not reject, so that they "
    "are wider than those of one comparison alone (diff_ci_low and diff_ci_high in the view effects)"
)
MAJORITY_CLASS = "majority class"
"""Name of the row that says what a trial would reach that has learned nothing."""
_JUDGED = ("difference", "95 % interval", "p corrected", "blocks", "verdict")
_LONG = 12
"""Comparisons with controls that have a line each; more are crossed, arms by controls."""

Effects = Sequence[Mapping[str, Any]]
"""Rows of the view `effects`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table of texts, each of one or two lines. The first column names the arm, or the claim."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def condition_heading(condition: Mapping[str, Any], roles: Roles, leave_out: str | None = None) -> str:
    """Return `snli_ve 1 %` for a condition; `leave_out`: a path that is said elsewhere."""
    parts = [_value(path, value, roles) for path, value in condition.items() if path != leave_out]
    return " ".join(parts) or ("result" if not condition else condition_label(condition))


def headline_rows(effects: Effects, family: str) -> list[Mapping[str, Any]]:
    """Return the rows of the headline metric in one family, in the study's order."""
    return [row for row in effects if row["is_headline"] and row["family"] == family]


def where_of(claim: Claim, roles: Roles) -> str:
    """Return `1 % and 10 %`: the conditions that a claim is about; empty where it is about all."""
    said = [" and ".join(_value(path, value, roles) for value in values) for path, values in claim.where.items()]
    return ", ".join(said)


def mark_of(row: Mapping[str, Any]) -> str:
    """Return the sign of a row's verdict; in brackets where it would not hold if the lost pairs had been worst."""
    mark = MARKS[row["verdict"]]
    return mark if holds(row) else f"({mark})"


def pooled_grid(effects: Effects, plan: StudyPlan, test_size: Sequence[Mapping[str, Any]] = ()) -> Grid:
    """Each arm over all conditions: the primary comparisons.

    `test_size`: rows of that view over all conditions; where they know something, the interval over seeds and test
    examples is the last column.
    """
    title = f"{plan.headline} over {ALL_CONDITIONS}: difference to {plan.reference} (primary comparison)"
    columns: tuple[str, ...] = ("arm", "mean", *_JUDGED)
    rows = headline_rows(effects, "pooled")
    least = majority_text(rows)
    last = [(MAJORITY_CLASS, least, *[rounding.ABSENT] * len(_JUDGED))] if least else []
    lines: tuple[tuple[str, ...], ...] = (*map(_pooled_row, rows), *last)
    if any(row["both_ci_low"] is not None for row in test_size):
        columns = (*columns, COLUMN)
        lines = tuple((*line, text) for line, text in zip(lines, _of_both(rows, test_size, len(lines)), strict=True))
    return Grid(title=title, columns=columns, rows=lines)


def _of_both(rows: Effects, test_size: Sequence[Mapping[str, Any]], lines: int) -> list[str]:
    found = [both_text(test_size, row["arm"]) for row in rows]
    return [*found, *[rounding.ABSENT] * (lines - len(found))]


def majority_text(rows: Effects) -> str:
    """Return what the majority class would reach, as text, of the rows of one metric and place; empty if not known.

    It is the same for every arm where all have the same seeds: it follows from the labels alone.
    """
    known = [row["majority"] for row in rows if row["majority"] is not None]
    return f"{sum(known) / len(known):.3f}" if known else ""


def learned_nothing(effects: Effects) -> str:
    """Say what the sign beside a mean means, where one stands."""
    return f"{SIGN} has learned nothing: {NOT_ABOVE}, or {ONE_CLASS}" if any(row["lack"] for row in effects) else ""


def mean_text(row: Mapping[str, Any]) -> str:
    """Return the mean with half of its interval, and a sign where its arm has learned nothing."""
    mean = rounding.with_half(row["mean"], row["ci_low"], row["ci_high"])
    return f"{mean} {SIGN}" if row["lack"] else mean


def claims_grids(claims: Sequence[Mapping[str, Any]], plan: StudyPlan) -> list[Grid]:
    """The comparisons that the study declared (rows of the view `claims`), if there are any."""
    if not claims:
        return []
    rows = ((_claim_name(row["claim"], plan), f"{row['arm']}\nless {row['against']}", *_judged(row)) for row in claims)
    columns = ("claim", "arms", *_JUDGED)
    return [Grid(title="Declared claims, corrected among themselves", columns=columns, rows=tuple(rows))]


def crossed(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether so many comparisons with controls are shown arms by controls, each with a mark, not a line each."""
    return len(rows) > _LONG


def control_grids(rows: Sequence[Mapping[str, Any]], plan: StudyPlan) -> list[Grid]:
    """Arms less controls (rows of `analysis.showing.findings.against_controls`), if there are any."""
    if not rows:
        return []
    corrected = (
        "" if plan.comparisons.correction == "none" else f", corrected over {rows[0]['comparisons']} pairs of arms"
    )
    title = f"{plan.headline} over {ALL_CONDITIONS}: arms against controls{corrected}"
    if not crossed(rows):
        lines = tuple((row["arm"], row["against"], *_judged(row)) for row in rows)
        return [Grid(title=title, columns=("arm", "against", *_JUDGED), rows=lines)]
    arms, controls = (tuple(dict.fromkeys(row[name] for row in rows)) for name in ("arm", "against"))
    cells = {(row["arm"], row["against"]): _crossed(row) for row in rows}
    lines = tuple((arm, *(cells.get((arm, control), "a claim") for control in controls)) for arm in arms)
    return [Grid(title=title, columns=("arm less", *controls), rows=lines)]


def legend(marked: Sequence[Mapping[str, Any]], plan: StudyPlan) -> str:
    """Say what the marks of some judged rows mean, for the verdicts that occur, and how rows are judged."""
    found = {row["verdict"] for row in marked}
    marks = [f"{mark} {verdict}" for verdict, mark in MARKS.items() if mark and verdict in found]
    if EQUIVALENT in found or NOT_DECIDED in found:
        marks.append(f"margin {_margin(plan)}")
    if NOT_ENOUGH in found:
        needed = max(row["pairs_needed"] for row in marked if row["verdict"] == NOT_ENOUGH)
        marks[-1] += f" (these comparisons need {needed} pairs to reach significance)"
    if not all(map(holds, marked)):
        marks.append("in brackets: verdicts that would change if the failed trials had had the worst values")
    corrected = CORRECTED[plan.comparisons.correction]
    test = TESTS[plan.comparisons.estimate]
    judged = f"{test}, {corrected}, alpha {plan.comparisons.alpha:g}"
    weighting = [plan.comparisons.weighting] if plan.comparisons.weighting else []
    return "; ".join([*marks, judged, *weighting, *_looks(plan)])


def _margin(plan: StudyPlan) -> str:
    """Return the margin as declared; a share says of what."""
    margin = plan.comparisons.matters
    return f"{margin} of the mean compared with" if margin is not None and margin.relative else f"{margin}"


def marked_cells(cells: Effects) -> Effects:
    """Return the comparisons in single conditions whose verdicts are shown: all, or none if undecided."""
    return [] if undecided(cells) else cells


def undecided(cells: Effects) -> str:
    """Say so if no comparison in a single condition can reach significance; else empty.

    `cells`: rows of one metric, family `cells`. Their tables then have differences and intervals, and no verdicts.
    """
    rows = [row for row in cells if not row["is_reference"]]
    if {row["verdict"] for row in rows} - {NONE_LEARNED} != {NOT_ENOUGH}:
        return ""
    pairs, needed = max(row["n_pairs"] for row in rows), max(row["pairs_needed"] for row in rows)
    together = f"the {rows[0]['comparisons']} comparisons there need {needed} pairs each, and have {pairs}"
    return f"No verdicts in single conditions: {together}"


def shortfall(effects: Effects) -> list[str]:
    """Say for each arm how many planned confirm trials failed or are missing; empty if none."""
    return [
        f"{row['arm']}: {row['failed']} of {row['planned']} confirm trials failed, {row['missing']} missing"
        for row in headline_rows(effects, "pooled")
        if row["failed"] or row["missing"]
    ]


def _looks(plan: StudyPlan) -> list[str]:
    """Say when comparisons could end before all seeds were run."""
    sequential = plan.seeds.sequential
    if sequential is None:
        return []
    *before, last = plan.seeds.looks
    when = f"{', '.join(map(str, before))} or {last}"
    staged = plan.comparisons.correction in ("auto", "max_t")
    others = ", other comparisons than the primary ones by Holm" if staged else ""
    return [f"p-values corrected for looks after {when} seeds ({sequential.spending}), plain intervals not{others}"]


def _pooled_row(row: Mapping[str, Any]) -> tuple[str, ...]:
    name = f"{row['arm']} (control)" if row["is_control"] else row["arm"]
    mean = "none recorded" if row["mean"] is None else mean_text(row)
    if row["is_reference"]:
        return (name, mean, *[rounding.ABSENT] * 3, str(row["n"]), row["verdict"])
    return (name, mean, *_judged(row))


def _judged(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The texts below `_JUDGED`."""
    return (
        rounding.signed(row["difference"], rounding.half(row)),
        rounding.interval(row["verdict_ci_low"], row["verdict_ci_high"]),
        rounding.p_text(row["p_corrected"]),
        str(row["n_pairs"]),
        row["verdict"] if holds(row) else f"{row['verdict']}\nat worst: {row['verdict_if_worst']}",
    )


def _crossed(row: Mapping[str, Any]) -> str:
    return f"{rounding.signed_with_ends(row)} {mark_of(row)}"


def _claim_name(name: str, plan: StudyPlan) -> str:
    """The claim, and below it what it is about where that is not all."""
    claim = plan.comparisons.claims[name]
    where, splits = where_of(claim, plan.roles), " and ".join(claim.splits)
    about = [
        *([f"by more than {margin_of(claim.at_least)}"] if claim.at_least else []),
        *([f"within {margin_of(claim.equivalent_within)}"] if claim.equivalent_within else []),
        *([f"on {splits}"] if splits else []),
        *([f"at {where}"] if where else []),
    ]
    late = ["declared late"] if f"claim {name}" in plan.late else []
    return "\n".join([name, *([" ".join(about)] if about else []), *late])


def _value(path: str, value: Any, roles: Roles) -> str:
    if path == roles.data_fraction:
        return rounding.share(value)
    return str(value) if path == roles.task else f"{path.rpartition('.')[2]}={value}"
