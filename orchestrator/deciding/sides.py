"""The two sides of a comparison by name: a trial, an arm of a study, or a study, with its records."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ablative.orchestrator.errors import StoreError
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.store import Store

Kind = Literal["trial", "arm", "study"]
LEAST_DIGITS = 4
_DIGITS = re.compile(rf"[0-9a-f]{{{LEAST_DIGITS},}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of two things to compare."""

    kind: Kind
    name: str
    records: tuple[Record, ...]

    @property
    def confirmed(self) -> tuple[Record, ...]:
        """The records whose metrics represent it: for an arm or a study, its completed confirm trials."""
        if self.kind == "trial":
            return self.records
        return tuple(one for one in self.records if one.phase == "confirm" and one.completed)


def is_trial_id(word: str) -> bool:
    """Return whether a word may be the beginning of a trial id."""
    return _DIGITS.fullmatch(word) is not None


def one_id(word: str, ids: Sequence[str], place: str) -> str:
    """Return the one of `ids` that begins with `word`; raises StoreError unless exactly one does."""
    found = sorted({trial for trial in ids if trial.startswith(word)})
    if len(found) == 1 or word in found:
        return word if word in found else found[0]
    if not found:
        raise StoreError(f"trial {word!r}: {place} has no trial id that begins so; list trials with `ablate query`")
    more = ", ..." if len(found) > 3 else ""
    raise StoreError(
        f"trial {word!r}: {len(found)} ids begin so, {', '.join(found[:3])}{more}; give more digits of the id"
    )


def trial_side(store: Store, word: str) -> Side:
    """Return the trial whose id begins with `word`, from any study of a store."""
    studies = store.readable_studies()
    of_study = {study: store.table(study, current=False, columns=["trial_id"]) for study in studies}
    ids = [trial for table in of_study.values() for trial in table["trial_id"].to_pylist()]
    trial = one_id(word, ids, f"store {store.uri!r}")
    record = store.find(trial)
    if record is None:
        raise StoreError(f"trial {trial}: its record in store {store.uri!r} cannot be read")
    return Side(kind="trial", name=trial, records=(record,))


def study_side(store: Store, study: str, arm: str | None = None) -> Side:
    """Return a study of a store, or one of its arms; raises StoreError if it has no record."""
    records = tuple(store.known_records(study))
    if arm is None:
        return Side(kind="study", name=study, records=records)
    own = tuple(one for one in records if one.arm == arm)
    if not own:
        known = ", ".join(dict.fromkeys(one.arm for one in records)) or "none"
        raise StoreError(f"study {study!r}: no record of an arm {arm!r}; recorded are {known}")
    return Side(kind="arm", name=f"{study}:{arm}", records=own)
