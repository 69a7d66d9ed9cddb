"""The trial's boundary: whatever a trial raises becomes a row with a named cause, and its siblings go on.

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
    """Run one trial; what it raises becomes a failed outcome, and so does what is no outcome of this trial.

    `is_first`: whether this is the first of the trial's workers, whose outcome is the trial's. Raises Hindered for
    what would fail every other trial too, and nothing else.
    """
    started = time.perf_counter()
    try:
        outcome = run_trial(job, link)
    except (
        Preempted
    ) as notice:  # nothing is lost: the next attempt goes on from here, and its time is in what was saved
        world = current_ranks().world
        return TrialOutcome(status="failed", cause="preempted", error=str(notice), num_workers=world)
    except Exception as raised:  # the boundary: whatever a trial raises becomes a row, and its siblings go on
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
    """Return the cause and the last lines of the traceback of what a trial that reads `cache` raised.

    Raises Hindered for what would fail every other trial too.
    """
    if isinstance(raised, Hindered):
        raise raised
    if (reason := hindrance(raised, cache)) is not None:
        raise Hindered(reason) from raised
    lines = "".join(traceback.format_exception(raised)).strip().splitlines()
    return cause_of(raised), "\n".join(lines[-TRACEBACK_LINES:])


def _lie(outcome: object, job: TrialJob, is_first: bool) -> str | None:
    """Return what a trial gave back that cannot be its outcome."""
    if not isinstance(outcome, TrialOutcome):
        return f"the trainable returned {type(outcome).__name__}; wanted a TrialOutcome"
    wanted = f"val/{job.target[0]}"
    owes = is_first and outcome.status == "completed" and "val" in job.evaluate
    if owes and wanted not in outcome.metrics:
        found = ", ".join(outcome.metrics) or "no metrics at all"
        return f"the trial is completed without {wanted}, the target of its study; it gave {found}"
    return None
