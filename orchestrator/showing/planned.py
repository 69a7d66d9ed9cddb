"""The plan of a study, as the command line and a notebook show it."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from html import escape
from io import StringIO
from typing import TYPE_CHECKING
from typing import Any

from rich.console import Console

from ablative.orchestrator.deciding.costs import Cost
from ablative.orchestrator.deciding.progress import CellProgress
from ablative.orchestrator.deciding.queue import TrialQueue
from ablative.orchestrator.durations import duration
from ablative.orchestrator.showing.checked import CheckedStudy
from ablative.orchestrator.showing.overview import print_plan
from ablative.orchestrator.showing.passes import few_passes
from ablative.orchestrator.showing.passes import few_passes_line
from ablative.orchestrator.showing.preflight import Outlook
from ablative.orchestrator.showing.preflight import outlook_lines
from ablative.orchestrator.showing.preflight import outlook_table
from ablative.orchestrator.showing.preflight import warnings
from ablative.trainables.parts.trainable import Exposure

if TYPE_CHECKING:
    from ablative.orchestrator.showing.plan_answer import PlanAnswer

_WIDTH = 120
"""Columns of a plan as text."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PlannedStudy:
    """The cells and trials of a study: recorded, owed, and the expected cost."""

    checked: CheckedStudy
    queue: TrialQueue
    cost: Cost
    where: str
    """One line that names the store and what it holds."""
    missing: str = ""
    """Which data is missing here; then trials have no ids, and nothing counts as recorded."""
    further: tuple[str, ...] = ()
    """Lines on records outside the plan, and on the students that the study keeps."""
    exposures: Mapping[str, Exposure] = field(default_factory=dict)
    """Cell -> how much of its training data a trial sees; empty if the trainable does not say."""
    preflight: tuple[Outlook, ...] = ()
    """The measurements of its teachers."""
    unmeasured: int = 0
    """Number of cells whose teacher was not measured."""
    sequences: int | None = None
    """Sequences of picture and text that all owed trials train on if no search stops any; None if unknown."""
    rate: float | None = None
    """Sequences per second on one device, if given."""
    problems: tuple[str, ...] = ()
    """Files of the store that were skipped, with the reason."""

    @property
    def cells(self) -> list[CellProgress]:
        """How far each cell is."""
        return self.queue.progress()

    @property
    def owed(self) -> int:
        """Trials still to be run."""
        return self.queue.owed()

    @property
    def taken(self) -> int:
        """Trials recorded by other studies."""
        return self.queue.num_taken

    @property
    def recorded(self) -> int:
        """Trials that are recorded by this study."""
        return len({trial.id for trial in self.queue.trials()} & self.queue.known.keys()) - self.taken

    def answer(self) -> PlanAnswer:
        """Return what `ablate plan --json` says."""
        from ablative.orchestrator.showing.plan_answer import PlanAnswer
        from ablative.orchestrator.showing.plan_answer import exposure_answer

        return PlanAnswer(
            **self.checked.told(),
            taken=self.taken,
            owed=self.owed,
            missing=self.missing,
            recorded=self.recorded,
            cost=self.cost,
            sequences=self.sequences,
            training_seconds=self._training_seconds,
            exposure=tuple(exposure_answer(*of) for of in self.exposures.items()),
            few_passes=tuple(self.few_passes),
            preflight=self.preflight,
            unmeasured=self.unmeasured,
        )

    def values(self) -> dict[str, Any]:
        """Return what `ablate plan --json` says, as JSON values."""
        return self.answer().model_dump(mode="json")

    @property
    def _training_seconds(self) -> float | None:
        return self.sequences / self.rate if self.sequences is not None and self.rate else None

    @property
    def few_passes(self) -> list[str]:
        """Names of cells with the full data that do not see all of it even once."""
        return few_passes(self.queue.cells, self.exposures)

    def cautions(self) -> list[str]:
        """Return the warnings as lines: of the study, of cells that see too little data, and of weak teachers."""
        few = few_passes_line(self.few_passes, self.exposures)
        return [*few, *warnings(self.preflight), *self.checked.cautions()]

    def show(self, out: Console) -> None:
        """Print it."""
        print_plan(out, self.queue, self.cost, missing=self.missing, earlier=self.further, exposures=self.exposures)
        for line in self._training():
            out.print(line)
        if self.preflight:
            out.print(outlook_table(self.preflight))
        for line in outlook_lines(self.preflight, self.unmeasured, self.checked.source):
            out.print(line)

    def _training(self) -> Iterator[str]:
        """Yield the cost of training alone, if asked for or if nothing else is known about the cost."""
        if not self.sequences or not (self.rate or self.cost.num_unknown):
            return
        what = f"Training: {self.sequences / 1e6:,.0f} million sequences of picture and text"
        if (seconds := self._training_seconds) is None:
            yield f"{what}; give --rate, the sequences a second of a device, to see the hours"
        else:
            yield f"{what}; at {self.rate:,g} a second that is {duration(seconds)} of one device, without evaluation"

    def __repr__(self) -> str:
        """Return it as text."""
        written = StringIO()
        self.show(Console(file=written, width=_WIDTH, highlight=False, markup=False, color_system=None))
        lines = [line.rstrip() for line in written.getvalue().splitlines()]
        return "\n".join([self.where, *lines, *self.cautions(), *self.problems])

    def _repr_html_(self) -> str:
        """Return it for a notebook."""
        return f"<pre>{escape(repr(self))}</pre>"
