"""A study's ended trials from the store, for a sink that did not see them end."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.records import records_of
from ablative.orchestrator.storing.store import Store
from ablative.trainables.job import CurvePoint

Ended = tuple[Record, Sequence[CurvePoint]]
"""A trial's record and curve."""


def ended_trials(store: Store, study: str) -> Iterator[Ended]:
    """Yield the trials of the study's present plan in order of finishing, including those that other studies ran."""
    curves = store.curves(study).sort_by("trial_id")
    trials = np.asarray(curves["trial_id"])
    records = records_of(store.table(study))
    ids = np.array([record.trial_id for record in records], dtype=object)
    first, behind = (np.searchsorted(trials, ids, side) for side in ("left", "right"))
    for index in sorted(range(len(records)), key=lambda index: records[index].finished_at):
        yield records[index], _points(curves.slice(first[index], behind[index] - first[index]))


def _points(rows: pa.Table) -> list[CurvePoint]:
    return [CurvePoint(**row) for row in rows.drop_columns(["trial_id"]).to_pylist()]
