"""The outlook before a study runs: how good its teachers are at its tasks, beside recorded students."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from ablative.orchestrator.deciding.cell_trials import CellTrials
from ablative.orchestrator.deciding.progress import CellProgress
from ablative.orchestrator.showing.cell_name import CellName
from ablative.trainables.parts.trainable import Foresight
from ablative.trainables.parts.trainable import Sees

_ABSENT = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """One teacher under one condition; values of the target's metric on val, None if unknown."""

    condition: str
    teacher: str
    cells: tuple[str, ...]
    """The cells that the teacher teaches."""
    metric: str
    majority: float | None
    text: float | None
    """The value of a probe that sees only the teacher's text features."""
    image: float | None
    probe: float | None
    fitted: int
    """Number of training examples to which the probe was fitted."""
    student: float | None
    """Best recorded mean of a student without a teacher."""
    student_text: float | None
    """The same for a student that sees only the text."""
    student_image: float | None
    warning: str
    """Empty if nothing speaks against the teacher."""


def outlooks(
    cells: Sequence[CellTrials],
    progress: Sequence[CellProgress],
    sees: Callable[[Any], Sees],
    foresight: Callable[[Any], Foresight | None],
    target: tuple[str, str],
) -> list[Outlook]:
    """Return the measurements of a study's teachers, a row for each teacher and condition.

    `progress`: of the same cells; `target`: metric (`split/name`) and its good direction.
    """
    reached: dict[tuple[str, Sees], float] = {}
    found: dict[tuple[str, str], tuple[Foresight, list[str]]] = {}
    both = sorted(zip(cells, progress, strict=True), key=lambda pair: not pair[0].cell.is_reference)
    for cell, known in both:
        place = cell.cell.name.partition("|")[2]
        role = sees(cell.config)
        if known.best is not None:
            reached.setdefault((place, role), known.best)
        if (measured := foresight(cell.config)) is not None:
            key = place, repr(sorted(measured.values().items()))
            found.setdefault(key, (measured, []))[1].append(cell.cell.name)
    return [_outlook(place, *of, reached, target) for (place, _), of in found.items()]


def _outlook(
    place: str,
    measured: Foresight,
    cells: Sequence[str],
    reached: dict[tuple[str, Sees], float],
    target: tuple[str, str],
) -> Outlook:
    metric, mode = target
    name = metric.partition("/")[2]
    figures = {side: values.get(name) for side, values in measured.measured.items()}
    probe, majority, student = figures.get("probe"), figures.get("majority"), reached.get((place, "both"))
    sign = 1.0 if mode == "max" else -1.0
    others = (("the majority class", majority), ("the plain student", student))
    above = [f"{what} ({value:.3f})" for what, value in others if _beats(value, probe, sign)]
    said = f"the probe of {measured.teacher} ({probe:.3f}) is no better than {' and '.join(above)}" if above else ""
    return Outlook(
        condition=place,
        teacher=measured.teacher,
        cells=tuple(cells),
        metric=metric,
        majority=majority,
        text=figures.get("text"),
        image=figures.get("image"),
        probe=probe,
        fitted=measured.fitted,
        student=student,
        student_text=reached.get((place, "text")),
        student_image=reached.get((place, "image")),
        warning=said and f"{place or 'teacher'}: {said} on {metric}, so it can teach little there",
    )


def _beats(value: float | None, probe: float | None, sign: float) -> bool:
    return value is not None and probe is not None and sign * probe <= sign * value


def outlook_table(found: Sequence[Outlook]) -> Table:
    """Return a row for each outlook: majority class, probes and recorded students."""
    table = Table(box=None, pad_edge=False, title=f"before it runs: {found[0].metric}", title_justify="left")
    table.add_column("condition")
    table.add_column("teacher")
    for name in ("majority", "text probe", "image probe", "probe", "text student", "image student", "plain student"):
        table.add_column(name, justify="right")
    for row in found:
        figures = (row.majority, row.text, row.image, row.probe, row.student_text, row.student_image, row.student)
        table.add_row(CellName(row.condition or _ABSENT), Text(row.teacher), *(Text(_shown(v)) for v in figures))
    return table


def outlook_lines(found: Sequence[Outlook], unmeasured: int, study: str) -> Iterator[str]:
    """Yield lines that explain the table, and how to measure missing teachers."""
    if found:
        yield (
            "probe: a linear probe on the teacher's features, fitted on the condition's share of the labels; "
            "students: the best recorded mean of a setting"
        )
    if unmeasured:
        yield f"teachers of {unmeasured} cells are not measured; `ablate teacher probe {study}` does so"


def warnings(found: Iterable[Outlook]) -> Iterator[str]:
    """Yield the warnings as lines."""
    yield from (f"warning: {row.warning}" for row in found if row.warning)


def _shown(value: float | None) -> str:
    return _ABSENT if value is None else f"{value:.3f}"
