"""Properties that the trials of one comparison must share: the data they saw, and the meaning of a trial."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from ablative.analysis.errors import IncomparableError
from ablative.analysis.plan import StudyPlan
from ablative.analysis.plan import shared_conditions

SHARED = {"data_digest": "other data", "identity_version": "another version of what a trial is"}
"""Column of a record -> the meaning of a difference in it between compared trials."""
_SHOWN = 12  # characters of a digest

Row = Mapping[str, Any]


def mixtures(records: pa.Table, plan: StudyPlan) -> list[str]:
    """Name for each condition the differences between its completed confirm trials; empty if there are none.

    `records`: in `RECORD_SCHEMA`. Trials that the plan no longer holds are not compared.
    """
    rows = _compared(records, plan)
    return [f"study {plan.study!r}, {said}" for said in _differing(rows, plan.conditions, by="arm")]


def mixtures_of_two(
    records: Sequence[pa.Table], plans: Sequence[StudyPlan], shared: Collection[str] = tuple(SHARED)
) -> list[str]:
    """Name the columns of `shared` in which two runs of a question differ, for each condition that both have."""
    both = shared_conditions(*plans)
    names = ({label: label for label in both}, {theirs: label for label, theirs in both.items()})
    rows = [
        {**row, "run": f"{place} run ({plan.study})", "condition": known.get(row["condition"])}
        for place, table, plan, known in zip(("the first", "the second"), records, plans, names, strict=True)
        for row in _compared(table, plan)
    ]
    return _differing(rows, list(both), by="run", shared=shared)


def refuse(said: Iterable[str]) -> None:
    """Raise `IncomparableError` if there are any differences."""
    lines = list(said)
    if lines:
        remedy = (
            "These are no like trials. `--mixed` (in Python `mixed=True`) compares them all the same, and says so."
        )
        raise IncomparableError("\n".join([*lines, remedy]))


def _compared(records: pa.Table, plan: StudyPlan) -> list[Row]:
    """Return the completed confirm trials of the plan, each with its condition's label."""
    current = plan.current
    columns = ["trial_id", plan.place_column, "arm", "phase", "status", *SHARED]
    return [
        {**row, "condition": cell.label}
        for row in records.select(columns).to_pylist()
        if (row["phase"], row["status"]) == ("confirm", "completed")
        and (cell := plan.cell_of(row)) is not None
        and (current is None or row["trial_id"] in current)
    ]


def _differing(
    rows: Sequence[Row], conditions: Sequence[str], by: str, shared: Collection[str] = tuple(SHARED)
) -> list[str]:
    """Return `<condition>: other data: data_digest abc in <a>, <b>.

    Def in <c>` for each condition whose rows differ.
    """
    said = []
    for label in conditions:
        inside = [row for row in rows if row["condition"] == label]
        for column in shared:
            found: dict[str, dict[str, None]] = {}
            for row in inside:
                found.setdefault(str(row[column]), {})[row[by]] = None
            if len(found) > 1:
                named = (f"{value[:_SHOWN] or 'none'} in {', '.join(names)}" for value, names in found.items())
                said.append(f"{label}: {SHARED[column]}: {column} {'; '.join(named)}")
    return said
