"""The predictions of one trial on one split, from the records."""

from __future__ import annotations

import pyarrow.compute as pc

from ablative.orchestrator.errors import StoreError
from ablative.orchestrator.storing.store import Store


def predicted(store: Store, study: str, trial: str, split: str) -> tuple[str, dict[str, str]]:
    """Return the trial's task, and example id -> prediction.

    `trial` is an id or its beginning. Raises `StoreError` unless exactly one trial has predictions on the split.
    """
    table = store.predictions(study)
    table = table.filter(pc.and_(pc.starts_with(table["trial_id"], trial), pc.equal(table["split"], split)))
    trials = pc.unique(table["trial_id"]).to_pylist()
    if len(trials) != 1:
        raise StoreError(
            f"{study}: {len(trials)} trials whose id begins with {trial!r} predicted {split!r}; expected one. "
            f"Add {split} to the study's `evaluate`, run it, and name a confirm trial (ablate query {study} "
            '"select distinct trial_id, split from predictions").'
        )
    record = store.find(trials[0])
    if record is None:
        raise StoreError(f"{study}: trial {trials[0]} has predictions and no record")
    return record.task, dict(zip(table["example_id"].to_pylist(), table["prediction"].to_pylist(), strict=True))
