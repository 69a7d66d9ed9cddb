"""The events that `ablate run --json` prints while a study runs, one per line."""

from __future__ import annotations

import json
import os
import queue as queues
import threading
from collections.abc import Callable
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC
from datetime import datetime
from typing import Annotated
from typing import Any
from typing import Literal
from typing import TextIO

from pydantic import AwareDatetime
from pydantic import Field

from ablative.frozen import Answer
from ablative.orchestrator.deciding.cell_trials import CellTrials
from ablative.orchestrator.deciding.queue import TrialQueue
from ablative.orchestrator.deciding.summary import Summary
from ablative.orchestrator.showing.activity import Activity
from ablative.orchestrator.showing.activity import OtherWork
from ablative.orchestrator.showing.activity import no_other_work
from ablative.orchestrator.showing.display import QuietDisplay
from ablative.orchestrator.showing.display import Reached
from ablative.orchestrator.showing.display import Waits
from ablative.orchestrator.showing.display import nothing
from ablative.orchestrator.showing.display import unknown
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.trials import Trial


class Event(Answer):
    """Something that happened in a run."""

    run_version: Literal[1] = 1
    event: str
    at: AwareDatetime
    """When it was written, in UTC."""


class StudyStarted(Event):
    """The study is sound, and its store is open."""

    event: Literal["study_started"] = "study_started"
    study: str
    store: str
    """URI of the records."""
    executor: Literal["ray", "inline"]


class Preparing(Event):
    """A stage of the preparation has begun, or ended where `done` is `total`."""

    event: Literal["preparing"] = "preparing"
    stage: str
    done: int
    total: int
    """Steps; 0 where nobody can say."""


class StudyPlanned(Event):
    """All is prepared; trials start from now on. Counts are trials."""

    event: Literal["study_planned"] = "study_planned"
    study: str
    metric: str
    """The target, `split/name`."""
    cells: int
    recorded: int
    """By this study, before this run."""
    taken: int
    """From other studies."""
    owed: int


class _OfTrial(Event):
    trial_id: str
    arm: str
    cell: str
    condition: dict[str, Any]
    """Dotted path -> value."""
    phase: Literal["search", "confirm"]
    proposal: int | None
    """Index in the cell's search; null in the confirm phase."""
    seed: int


class TrialStarted(_OfTrial):
    """A trial was given to the workers; on Ray it may still wait for its turn."""

    event: Literal["trial_started"] = "trial_started"
    parameters: dict[str, Any]
    """Searched dotted path -> value."""
    resumed: bool
    """Whether the trial resumes after a pause at a rung."""


class TrialEnded(_OfTrial):
    """A trial is recorded."""

    event: Literal["trial_ended"] = "trial_ended"
    status: Literal["completed", "failed", "stopped"]
    """`stopped`: by a rule of the search."""
    cause: str
    """The cause of a failed trial, or the rule that stopped it."""
    error: str
    metrics: dict[str, float | None]
    """`split/name` -> value; null if it is not a finite number."""
    seconds: float
    attempts: int
    """Number of executions; 1 if none was lost."""
    owed: int
    """Trials still to be run."""


class SearchDecided(Event):
    """The search of a cell has ended."""

    event: Literal["search_decided"] = "search_decided"
    arm: str
    cell: str
    settings: tuple[dict[str, Any], ...]
    """The settings to confirm, one for each search of the cell: dotted path -> value; none if nothing was
    completed."""
    best: float | None
    """Mean target of the best settings."""


class Look(Event):
    """A look at the comparisons, as planned by `seeds.sequential`; all arms end at the last look."""

    event: Literal["look"] = "look"
    seeds: int
    """Confirm seeds of each compared arm."""
    ended: tuple[str, ...]
    """Arms that get no further seeds from now on."""
    going: tuple[str, ...]
    """Arms that do."""


class Note(Event):
    """A sentence for a person."""

    event: Literal["note"] = "note"
    text: str


class StudyEnded(Event):
    """The run has ended. Counts are trials."""

    event: Literal["study_ended"] = "study_ended"
    study: str
    exit_status: int
    ran: int
    recorded: int
    """Before this run."""
    taken: int
    """From other studies."""
    stopped: int
    """Trials of this run that a rule of the search stopped."""
    owed: int
    """Trials not run, because the budget was spent or the run was cancelled."""
    failed: dict[str, int]
    """Cell -> failed trials, of the whole plan."""
    without_result: tuple[str, ...]
    """Cells whose search completed no setting."""
    device_seconds: dict[str, float]
    """Of this run, by what they went into."""
    verdicts: dict[str, dict[str, int]] | None
    """`claims` and `primary` comparisons -> verdict -> how many have it; null if trials cannot be compared."""


class Failed(Event):
    """The last line of a run that an error ended; finished trials are recorded."""

    event: Literal["error"] = "error"
    message: str
    exit_status: int


class Stopped(Event):
    """The last line of a run that a signal stopped; finished trials are recorded, the same command continues."""

    event: Literal["stopped"] = "stopped"
    exit_status: int


RunEvent = Annotated[
    StudyStarted
    | Preparing
    | StudyPlanned
    | TrialStarted
    | TrialEnded
    | SearchDecided
    | Look
    | Note
    | StudyEnded
    | Failed
    | Stopped,
    Field(discriminator="event"),
]
"""One line of `ablate run --json`."""


class EventLines:
    """Writes lines from its own thread, which no signal interrupts: each line is written whole or not at all."""

    def __init__(self, stream: TextIO, gone: Callable[[], None] = lambda: None) -> None:
        """`gone`: called once if the reader is gone; the run continues without it."""
        self._stream = stream
        self._gone = gone
        self._lines: queues.SimpleQueue[str | None] = queues.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="events", daemon=True)
        self._thread.start()

    def put(self, line: str) -> None:
        """Write a line soon."""
        self._lines.put(line)

    def close(self) -> None:
        """Wait until all is written."""
        self._lines.put(None)
        self._thread.join()

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._stream.write(f"{line}\n")
                self._stream.flush()
            except (OSError, ValueError):  # the reader has gone; trials are still recorded
                self._gone()
                self._forget()
                return

    def _forget(self) -> None:
        with suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), self._stream.fileno())  # or Python fails to flush it in the end
        while self._lines.get() is not None:
            pass


class EventDisplay(QuietDisplay):
    """Writes what happens as events; an `orchestrator.showing.display.Display`."""

    def __init__(self, lines: EventLines, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._lines = lines
        self._now = now
        self._activity = Activity()
        self._decided: set[str] = set()
        self._at_look: tuple[int, frozenset[str]] = (0, frozenset())

    def tell(self, kind: type[Event], **what: Any) -> None:
        """Write an event."""
        self._lines.put(kind(at=self._now(), **what).model_dump_json())

    def begin(self, study: str, store: str, executor: str) -> None:
        """Write the first line of a run."""
        self.tell(StudyStarted, study=study, store=store, executor=executor)

    def ended(self, status: int, message: str | None) -> None:
        """Write the last line of a run that was cut short; `message`: of an error."""
        if message is None:
            self.tell(Stopped, exit_status=status)
        else:
            self.tell(Failed, exit_status=status, message=message)
        self._lines.close()

    def close(self, summary: Summary, status: int, verdicts: Mapping[str, Mapping[str, int]] | None) -> None:
        """Write the last line of a run."""
        self.tell(
            StudyEnded,
            study=summary.study,
            exit_status=status,
            ran=summary.ran,
            recorded=summary.recorded,
            taken=summary.taken,
            stopped=summary.stopped,
            owed=summary.owed,
            failed=summary.failed,
            without_result=summary.cells_without_result,
            device_seconds=dict(summary.spent),
            verdicts=verdicts,
        )
        self._lines.close()

    def say(self, text: str) -> None:
        """Write it as a note."""
        self.tell(Note, text=text)

    def preparing(self, stage: str, done: int, total: int) -> None:
        """Write the start or end of a stage."""
        if self._activity.reach(stage, done, total):
            self.tell(Preparing, stage=stage, done=done, total=total)

    def start(
        self,
        queue: TrialQueue,
        waits_for: Waits = nothing,
        reached: Reached = unknown,
        other_work: OtherWork = no_other_work,
    ) -> None:
        """Write the number of owed trials; earlier decisions are known."""
        self._decided = {cell.cell.name for cell in queue.cells if _is_decided(cell)}
        self._at_look = _at_look(queue)
        recorded = sum(trial.id in queue.known for trial in queue.trials()) - queue.num_taken
        self.tell(
            StudyPlanned,
            study=queue.study.study,
            metric=queue.study.target.metric,
            cells=len(queue.cells),
            recorded=recorded,
            taken=queue.num_taken,
            owed=queue.owed(),
        )

    def started(self, trial: Trial, *, resumed: bool) -> None:
        """Write that a trial was started."""
        self.tell(TrialStarted, **_place(trial), parameters=dict(trial.parameters), resumed=resumed)

    def finished(self, record: Record, queue: TrialQueue) -> None:
        """Write that a trial ended, and the decisions that follow."""
        told = {name: getattr(record, name) for name in TrialEnded.model_fields if name in Record.model_fields}
        self.tell(TrialEnded, **told | {"condition": _read(record.condition)}, owed=queue.owed())
        for cell in queue.cells:
            self._search(cell, queue)
        self._look(queue)

    def _search(self, cell: CellTrials, queue: TrialQueue) -> None:
        name = cell.cell.name
        if not _is_decided(cell):
            self._decided.discard(name)  # further seeds search again
        elif name not in self._decided:
            self._decided.add(name)
            best = cell.best_value(queue.known, queue.curves)
            self.tell(SearchDecided, arm=cell.cell.arm, cell=name, settings=cell.confirmed_settings, best=best)

    def _look(self, queue: TrialQueue) -> None:
        before, now = self._at_look, _at_look(queue)
        if queue.study.seeds.sequential is None or now == before:
            return
        self._at_look = now
        arms = dict.fromkeys(cell.cell.arm for cell in queue.cells)
        going = tuple(arm for arm in arms if arm not in now[1])
        self.tell(Look, seeds=before[0], ended=tuple(arm for arm in arms if arm in now[1] - before[1]), going=going)


def _place(trial: Trial) -> dict[str, Any]:
    names = ("arm", "cell", "phase", "proposal", "seed")
    return {"trial_id": trial.id, "condition": dict(trial.condition), **{name: getattr(trial, name) for name in names}}


def _read(values: Mapping[str, str]) -> dict[str, Any]:
    return {path: json.loads(value) for path, value in values.items()}


def _is_decided(cell: CellTrials) -> bool:
    """Return whether a cell that searches has nothing more to search."""
    return bool(cell.cell.space) and cell.state != "search" and not cell.awaits_setting


def _at_look(queue: TrialQueue) -> tuple[int, frozenset[str]]:
    """Return the number of confirm seeds at the next comparison, and the arms that get no more seeds."""
    cells = [cell for cell in queue.cells if cell.state != "failed"]
    ended = frozenset(cell.cell.arm for cell in cells if cell.has_ended)
    return max((len(cell.confirm_seeds) for cell in cells), default=0), ended
