"""Which kept student of a study is wanted."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ablative.orchestrator.errors import StoreError
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.store import Store


def chosen(store: Store, study: str, *, arm: str | None, where: Sequence[str]) -> Record:
    """Return the record of the kept student that is best on the study's target; the lowest seed wins ties.

    `where`: `path=value` of conditions. Raises StoreError if there is none, or if students come from several
    conditions, which one number cannot rank.
    """
    target = store.study(study)["target"]
    kept = store.kept_students()
    confirmed = confirmed_trials(store, study)
    asked = [one for one in confirmed if arm in (None, one.arm) and all(_meets(one, given) for given in where)]
    found = [one for one in asked if one.trial_id in kept]
    if not found:
        cells = ", ".join(sorted({one.cell for one in confirmed})) or "none that is confirmed"
        remedy = (
            "ablate run --retrain-students trains it again, with keep.students=best" if asked else f"cells: {cells}"
        )
        raise StoreError(f"study {study!r}: no kept student of {arm or 'any arm'} {' '.join(where)}; {remedy}")
    if len({tuple(sorted(one.condition.items())) for one in found}) > 1:
        cells = ", ".join(sorted({one.cell for one in found}))
        raise StoreError(f"study {study!r}: kept students of several conditions; choose one with --where: {cells}")
    sign = 1 if target["mode"] == "max" else -1
    return max(found, key=lambda one: (sign * one.metrics[target["metric"]], -one.seed))


def confirmed_trials(store: Store, study: str) -> list[Record]:
    """Return the records of a study that may have a kept student."""
    return [one for one in store.known_records(study) if one.phase == "confirm" and one.completed]


def _meets(record: Record, given: str) -> bool:
    path, _, value = given.partition("=")
    held = record.condition.get(path)
    return held is not None and value in (held, str(json.loads(held)))
