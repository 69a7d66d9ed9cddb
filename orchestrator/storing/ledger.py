"""The ledger of a gate: which proposals were judged, and what share of one error probability each has spent.

gates/<study>/<number>-<key>.json     one proposal, written whole before its verdict is told, and never changed

A process killed before the entry is written has spent nothing and learned nothing. One killed afterwards can ask again
and gets the same verdict, at the same share, without further cost. Two processes number their entries one after the
other by a lease (`storing.leases`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Sequence
from datetime import UTC
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime
from pydantic import Field
from pydantic import ValidationError

from ablative.frozen import Frozen
from ablative.orchestrator.errors import LedgerError
from ablative.orchestrator.storing.folder import Folder
from ablative.orchestrator.storing.leases import Leases
from ablative.orchestrator.storing.owner import Owner
from ablative.search_spaces.spending import spent_at

ALPHA = 0.05
PROPOSALS = 20
PATIENCE_S = 120.0
"""Longest wait for another process that writes an entry, even if that one was killed."""


class Budget(Frozen):
    """One error probability, and the proposals that share it."""

    alpha: float = Field(ALPHA, gt=0, lt=1)
    proposals: int = Field(PROPOSALS, ge=1, le=1000)

    @property
    def shares(self) -> tuple[float, ...]:
        """Error probability that each proposal may spend, in order, summing to `alpha`: about the same for each."""
        return spent_at(range(1, self.proposals + 1), "pocock", self.alpha)


class Entry(Frozen):
    """One judged proposal; one file."""

    ledger_version: Literal[1] = 1
    number: int
    """In the order of judgement, from 1."""
    key: str
    """Hash of the compared trials."""
    budget: Budget
    share: float
    """Error probability that it has spent."""
    study: str
    arm: str
    against: str
    """For people: an arm, or the store of the baseline."""
    verdict: str
    at: AwareDatetime


class Ledger:
    """The judged proposals of one study, in the folder at a path or URI."""

    def __init__(
        self, folder: Folder, study: str, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Nothing is created before the first entry."""
        self._folder, self._study, self._clock = folder, study, clock
        self._at = f"gates/{study}"

    @property
    def uri(self) -> str:
        """The path or URI of the folder."""
        return self._folder.uri

    def entries(self) -> list[Entry]:
        """Return the entries in order; raises LedgerError for an unreadable one, because it spent something."""
        return [self._read(name) for name in self._folder.names(self._at)]

    def judged(
        self, key: str, judge: Callable[[float], str], *, arm: str, against: str, budget: Budget | None = None
    ) -> tuple[Entry, bool]:
        """Return the entry for `key`, and whether it existed before, so that nothing was spent.

        `judge` gives the verdict at a share of the error probability; if it raises, the ledger is unchanged. `budget`:
        for a new ledger. Raises LedgerError if the budget differs from the ledger's, if nothing is left to spend, or
        if another process does not release the ledger.
        """
        if (found := _of(key, self.entries())) is not None:
            return found, True
        lease = f"ledger of {self._study}"
        with Leases(self._folder, self._study, Owner.here()) as leases:
            self._wait_for(leases, lease)
            entries = self.entries()
            if (found := _of(key, entries)) is not None:
                return found, True
            wanted = self._budget(entries, budget)
            share = wanted.shares[len(entries)]
            entry = Entry(
                number=len(entries) + 1,
                key=key,
                budget=wanted,
                share=share,
                study=self._study,
                arm=arm,
                against=against,
                verdict=judge(share),
                at=self._clock(),
            )
            if not leases.still_held(lease):
                raise LedgerError(
                    f"{self._place}: this process was held up for too long; nothing was spent, ask again"
                )
            self._folder.write(f"{self._at}/{entry.number:05}-{key[:12]}.json", entry.model_dump_json().encode())
        return entry, False

    @property
    def _place(self) -> str:
        return f"ledger {self.uri}/{self._at}"

    def _budget(self, entries: Sequence[Entry], asked: Budget | None) -> Budget:
        if not entries:
            return asked or Budget()
        known = entries[0].budget
        if asked is not None and asked != known:
            raise LedgerError(
                f"{self._place}: it spends alpha {known.alpha:g} over {known.proposals} proposals, and "
                f"{asked.alpha:g} over {asked.proposals} was asked for; leave --alpha and --proposals out, or begin "
                "another ledger with --ledger"
            )
        if len(entries) >= known.proposals:
            raise LedgerError(
                f"{self._place}: all {known.proposals} proposals that share alpha {known.alpha:g} were judged; begin "
                "another ledger with --ledger, and confirm with seeds that none of them has seen"
            )
        return known

    def _wait_for(self, leases: Leases, key: str) -> None:
        until = time.monotonic() + PATIENCE_S
        while not leases.claim({key}):
            if time.monotonic() > until:
                raise LedgerError(f"{self._place}: another process has been judging for {PATIENCE_S:g} s; ask again")
            time.sleep(0.1)

    def _read(self, name: str) -> Entry:
        content = self._folder.read(f"{self._at}/{name}")
        try:
            return Entry.model_validate_json(b"" if content is None else content.to_pybytes())
        except ValidationError as error:
            raise LedgerError(
                f"{self._place}/{name}: no entry that this program reads ({error.errors()[0]['msg']}); what it has "
                "spent is not known: restore the file, or begin another ledger with --ledger"
            ) from error


def _of(key: str, entries: Sequence[Entry]) -> Entry | None:
    return next((entry for entry in entries if entry.key == key), None)
