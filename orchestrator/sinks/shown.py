"""The facts about a trial that sinks show."""

from __future__ import annotations

import json
from typing import Any

from ablative.orchestrator.storing.records import Record


def given(record: Record) -> dict[str, Any]:
    """Return the trial's inputs as plain values: arm, condition, searched parameters and seed."""
    varied = {**record.condition, **record.parameters}
    return {"arm": record.arm, "seed": record.seed, **{path: json.loads(value) for path, value in varied.items()}}


def tags(record: Record) -> dict[str, str]:
    """Return the tags by which a trial is found: its place in its study, how it ended, its code and data."""
    return {
        "study": record.study,
        "arm": record.arm,
        "cell": record.cell,
        "phase": record.phase,
        "status": record.status,
        "cause": record.cause,
        "trial_id": record.trial_id,
        "task": record.task,
        "commit": record.commit or "unknown",
        "data_digest": record.data_digest,
    }


def title(record: Record) -> str:
    """Return a short name of the trial, unique in its study."""
    place = record.phase if record.proposal is None else f"{record.phase}-{record.proposal}"
    return f"{place}-seed-{record.seed}-{record.trial_id[:8]}"
