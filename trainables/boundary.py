"""The trial's boundary: any exception of a trial becomes a row with a named cause, and its siblings continue.

Imports no torch.
"""

from __future__ import annotations

import time
import traceback
from pathlib import Path

from ablative.trainables.errors import Hindered
from ablative.trainables.errors import Preempted
from ablative.trainables.errors import cause_of
from ablative.trainables.hindrance import hindrance
from ablative.trainables.job import Cause
from ablative.trainables.job import Link
from ablative.trainables.job import RunTrial
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from ablative.trainables.processes import device_name
from ablative.trainables.ranks import current_ranks

TRACEBACK_LINES = 12
"""Last lines of a traceback that are kept."""


def attempt(run_trial: RunTrial, job: TrialJob, link: Link, *, is_first: bool = True) -> TrialOutcome:
    """Run one trial; an exception becomes a failed outcome, and so does a result that is not a valid outcome.

    `is_first`: whether this is the first of the trial's workers, whose outcome is the trial's. Raises only Hindered,
    for errors that would fail every other trial too.
    """
    started = time.perf_counter()
    try:
        outcome = run_trial(job, link)
    except (
        Preempted
    ) as notice:  # nothing is lost: the next attempt continues from here, and the checkpoint has the time
        world = current_ranks().world
        return TrialOutcome(status="failed", cause="preempted", error=str(notice), num_workers=world)
    except Exception as raised:  # the boundary: any exception becomes a row, and the siblings continue
        cause, error = failure(raised, Path(job.cache))
        seconds, world = time.perf_counter() - started, current_ranks().world
        return TrialOutcome(
            status="failed",
            cause=cause,
            error=error,
            seconds=seconds,
            device_seconds=seconds * world,
            device=device_name(),
            num_workers=world,
        )
    if (lie := _lie(outcome, job, is_first)) is not None:
        return TrialOutcome(status="failed", cause="trainable_error", error=lie)
    return outcome


def failure(raised: Exception, cache: Path) -> tuple[Cause, str]:
    """Return the cause, and the last lines of the traceback, of an exception from a trial that reads `cache`.

    Raises Hindered for errors that would fail every other trial too.
    """
    if isinstance(raised, Hindered):
        raise raised
    if (reason := hindrance(raised, cache)) is not None:
        raise Hindered(reason) from raised
    lines = "".join(traceback.format_exception(raised)).strip().splitlines()
    return cause_of(raised), "\n".join(lines[-TRACEBACK_LINES:])


def _lie(outcome: object, job: TrialJob, is_first: bool) -> str | None:
    """Return what is wrong with a trial's result, or None."""
    if not isinstance(outcome, TrialOutcome):
        return f"the trainable returned {type(outcome).__name__}; wanted a TrialOutcome"
    wanted = f"val/{job.target[0]}"
    owes = is_first and outcome.status == "completed" and "val" in job.evaluate
    if owes and wanted not in outcome.metrics:
        found = ", ".join(outcome.metrics) or "no metrics at all"
        return f"the trial is completed without {wanted}, the target of its study; it gave {found}"
    return None
