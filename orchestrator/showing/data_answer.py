"""What `ablate data check --json` says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ablative.frozen import Answer
from ablative.trainables.data.findings import KINDS
from ablative.trainables.data.findings import Fault
from ablative.trainables.data.findings import Weight
from ablative.trainables.data.inspection import Inspection


class BadRow(Answer):
    """A row that cannot be read."""

    file: str
    line: int
    reason: str


class DataFinding(Answer):
    """A kind of problem."""

    kind: str
    weight: Weight
    """`error`: one is too many. `share`: tolerated up to a share of the rows. `reported`: trials run all the same."""
    count: int
    named: tuple[str, ...]
    """Places of the first ones."""


class CheckedSplit(Answer):
    """One split of the data set."""

    split: str
    examples: int
    images: int
    unreadable_rows: int
    rows: tuple[BadRow, ...]
    """The first of them."""
    findings: tuple[DataFinding, ...]
    faults: tuple[Fault, ...]
    """Why trials cannot or should not use the split; empty if they can."""


class DataCheckAnswer(Answer):
    """The answer of `ablate data check --json`."""

    data_check_version: Literal[1] = 1
    task: str
    folder: str
    fit: bool
    """Whether trials can use the data set; if not, the exit status is 2."""
    understood: tuple[str, ...]
    """How the task reads the files, if it says so."""
    left_out: int
    """Number of pictures left out of all splits by the list of the data set."""
    splits: tuple[CheckedSplit, ...]


def data_check_answer(
    found: Sequence[Inspection], *, understood: Sequence[str], left_out: int, most: float
) -> DataCheckAnswer:
    """Return what was found in the splits of a data set. `most`: as of `Inspection.faults`."""
    splits = tuple(_checked(inspection, most) for inspection in found)
    return DataCheckAnswer(
        task=found[0].task.name,
        folder=str(found[0].folder),
        fit=not any(split.faults for split in splits),
        understood=tuple(understood),
        left_out=left_out,
        splits=splits,
    )


def _checked(inspection: Inspection, most: float) -> CheckedSplit:
    findings = inspection.findings
    rows = [
        BadRow(file=str(rows.path), line=number, reason=reason)
        for rows in inspection.rows
        for number, reason in rows.reasons[: findings.most]
    ]
    return CheckedSplit(
        split=inspection.split,
        examples=inspection.num_examples,
        images=inspection.num_images,
        unreadable_rows=inspection.num_bad,
        rows=tuple(rows),
        findings=tuple(
            DataFinding(kind=kind, weight=KINDS[kind][0], count=count, named=tuple(findings.named[kind]))
            for kind, count in findings.counts.items()
        ),
        faults=tuple(inspection.faults(most)),
    )
