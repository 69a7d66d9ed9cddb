"""The work on a study, for command line and notebooks alike: check, plan, run."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from contextlib import AbstractContextManager
from contextlib import ExitStack
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ablative.orchestrator.commands import composition
from ablative.orchestrator.commands.loaded import Loaded
from ablative.orchestrator.showing.checked import CheckedStudy
from ablative.orchestrator.showing.whereabouts import hint_beside
from ablative.orchestrator.showing.whereabouts import store_beside
from ablative.orchestrator.showing.whereabouts import store_line
from ablative.search_spaces.load import GIVEN
from ablative.search_spaces.load import Source

if TYPE_CHECKING:
    from ablative.orchestrator.deciding.summary import Summary
    from ablative.orchestrator.showing.display import Display
    from ablative.orchestrator.showing.planned import PlannedStudy
    from ablative.orchestrator.storing.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A study as the user names it."""

    source: Source
    overrides: tuple[str, ...] = ()
    """`a.b=value`."""
    parts: tuple[Path, ...] = ()
    """Files with the user's own parts; they are executed."""
    store: str | None = None
    """Where the records are; by default ABLATE_STORE, the study's own place, or `ablate-results`."""

    @property
    def name(self) -> str:
        """The words that named the study on the command line."""
        return GIVEN if isinstance(self.source, Mapping) else str(self.source)

    def load(self) -> Loaded:
        """Return the study. Raises StudyError with every mistake in it, and PartError for unusable parts."""
        return composition.load(self.source, self.overrides, self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A sound study with the store of its records."""

    asked: Asked
    loaded: Loaded
    store: Store

    @property
    def where(self) -> str:
        """One line that names the store, and how many trials of the study it holds."""
        return store_line(self.store, self.loaded.study.study)

    def hints(self, verb: str) -> list[str]:
        """Return a line that names the store beside the study file, if the user may mean that."""
        source, study = self.asked.source, self.loaded.study
        if isinstance(source, Mapping) or (beside := store_beside(str(source), study, self.store)) is None:
            return []
        return [hint_beside([verb, str(source), *self.asked.overrides], study.study, beside)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Which recorded trials to run again."""

    failed: bool = False
    students: bool = False
    """Trials whose student the study should keep and does not have."""


def check(asked: Asked) -> CheckedStudy:
    """Return a sound study with its size, families and warnings. Raises as `Asked.load`."""
    loaded = asked.load()
    return replace(checked(asked, loaded), searches=tuple(composition.recorded_searches(loaded)))


def checked(asked: Asked, loaded: Loaded) -> CheckedStudy:
    """Return a loaded study with its size, families and warnings."""
    return CheckedStudy(
        source=asked.name,
        loaded=loaded,
        broken=loaded.catalogue.broken,
        absent=composition.absent(loaded),
        refused=composition.refused(loaded),
    )


def opened(asked: Asked) -> Opened:
    """Return a study and its store; writes nothing. Raises as `Asked.load`, and StoreError."""
    loaded = asked.load()
    return Opened(asked=asked, loaded=loaded, store=composition.open_store(asked.store, loaded.study))


def plan(
    found: Opened, shown: AbstractContextManager[Display], *, again: Again, rate: float | None = None
) -> PlannedStudy:
    """Return the trials that a study would run; `shown` shows first reads of data. Writes nothing.

    `rate`: sequences of picture and text per second of one device.
    """
    from ablative.orchestrator.deciding.costs import expected_cost
    from ablative.orchestrator.deciding.costs import owed_sequences
    from ablative.orchestrator.deciding.earlier import earlier_lines
    from ablative.orchestrator.showing.planned import PlannedStudy
    from ablative.trainables.cache import cache_folder

    loaded, store = found.loaded, found.store
    with shown as display:
        queue, missing = composition.planned_queue(
            loaded,
            store,
            cache_folder(),
            display.preparing,
            retry_failed=again.failed,
            retrain_students=again.students,
        )
    rows, unmeasured = ([], 0) if missing else composition.preflight(queue, cache_folder())
    records = store.all_records()
    planned = {trial.id for trial in queue.trials()}
    earlier = [] if missing else earlier_lines(queue.inputs, loaded.study, queue.cells, records, planned)
    exposures = composition.exposures(queue, cache_folder())
    return PlannedStudy(
        checked=checked(found.asked, loaded),
        queue=queue,
        cost=expected_cost(queue.cells, queue.known, records),
        where=found.where,
        missing=missing,
        further=(*earlier, *composition.students_lines(queue, store)),
        exposures=exposures,
        sequences=owed_sequences(queue.cells, queue.known, exposures),
        rate=rate,
        preflight=tuple(rows),
        unmeasured=unmeasured,
        problems=tuple(store.problems),
    )


def run(
    found: Opened,
    shown: AbstractContextManager[Display],
    *,
    executor: str,
    address: str,
    again: Again,
    budget: str | None,
    note: Callable[[str], None],
) -> Summary:
    """Run the trials that a study owes, and return how the run ended; recorded trials stay recorded in any case.

    `budget`: see `device_seconds`; after it no trial starts. `note` gets a line at the end for each sink that lacks
    trials. Raises BudgetError, StoreError, ClusterError, SinkError, and what preparing the data raises.
    """
    from ablative.orchestrator.driving.budget import device_seconds
    from ablative.orchestrator.driving.run import run_study
    from ablative.orchestrator.sinks.sinks import open_sinks
    from ablative.trainables.cache import cache_folder

    limit = device_seconds(budget) if budget else None
    loaded, store = found.loaded, found.store
    study = loaded.study
    with ExitStack() as ending:
        with shown as display, store.claims(study.study) as claims:
            display.doing("opening sinks")
            sinks = open_sinks(study, store, display.say)
            ending.callback(lambda: _note_all(sinks.close(), note))  # once the drawing has ended
            display.doing("loading the trainable")
            checkpoints = store.checkpoints_uri(study.study)
            runner, prepare = composition.engine(executor, address, loaded, cache_folder(), checkpoints)
            return run_study(
                replace(composition.experiment(loaded, cache_folder(), display.preparing), prepare=prepare),
                store,
                runner,
                display,
                retry_failed=again.failed,
                retrain_students=again.students,
                claims=claims,
                budget=limit,
                sinks=sinks,
            )


def _note_all(lines: Iterable[str], note: Callable[[str], None]) -> None:
    for line in lines:
        note(line)
