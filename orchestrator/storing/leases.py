"""Leases: drivers that run one study at the same time claim its trials, so that no trial is run twice.

studies/<study>/leases/<owner>.json     one driver: who it is, until when it lives, and the trials it claims
studies/<study>/leases/<owner>.owner    marks that this driver exists; written once, after the first `.json`

Folders have neither locks nor compare-and-swap. The protocol needs three things of a folder. A file is replaced whole.
A read that begins after a write has ended sees it. A listing shows every file that exists all the time and is not
replaced meanwhile; hence the second file. Local disks give that, and so do S3 and GCS.

To claim a trial a driver writes it as `wanted` and then reads the files of all others. Then it
  withdraws it, if another driver holds it, or wants it and has the smaller id;
  reads once more, if a driver with a greater id wants it: that one is about to withdraw, or to hold;
  writes it as `held` otherwise, and only then has it.

**No two drivers hold the same trial.** Suppose a and b do, a < b. Each wrote `wanted` before it read the files that
let it hold, and has withdrawn nothing since. Case 1: a's write ended before b's last read of a's file began. Then b
saw that a smaller id wants or holds the trial, and withdrew. Case 2: it did not. Then b wrote `wanted` before a did,
hence before a read. So a saw that a greater id wants or holds the trial, and did not hold it.

`held` only saves other drivers from waiting: a driver that is alone writes it with its next claim or renewal.

**Some driver makes progress.** Among the drivers that want a free trial, the one with the smallest id withdraws for
none of the others. All others withdraw or hold once they have read its file. Waiting is bounded: nobody waits longer
for a driver that died in between, and its trial is free again when its lease ends.

**A lease ends** at `expires_at`, unless its owner writes a later time before. From then on its owner holds nothing, by
its own clock. Others take it as ended `SKEW` later by theirs, so the clocks of two machines may differ by that much.
Others take the time *before* they read, and the owner takes it *after* it has written. So an owner that was suspended
in between sees that it came too late, gives up its claims and continues under a new id. A file taken as ended
therefore stays ended, and anyone may remove it. On the owner's machine a lease also ends with the owner's process.

What is not covered: if a lease is lost while its trial runs, another driver may run the trial too. Its id says what it
computes, so both write the same record, each whole. The same holds if a folder breaks its promise: NFS clients that
cache listings, or object storage that applies an upload after a later one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import Literal

from pydantic import AwareDatetime
from pydantic import ValidationError

from ablative.frozen import Frozen
from ablative.orchestrator.errors import StoreError
from ablative.orchestrator.storing.folder import Folder
from ablative.orchestrator.storing.owner import Owner
from ablative.orchestrator.storing.owner import is_gone

LIFETIME = timedelta(seconds=60)
"""Lifetime of a lease without renewal."""
SKEW = timedelta(seconds=15)
"""Greatest difference between the clocks of two machines."""
RENEWED_EVERY_S = 10.0
_PAUSE_S = 0.02
_ROUNDS = 100
"""Looks at a driver that wants the same trial, `_PAUSE_S` apart, before this driver leaves the trial alone for now."""

Claim = Literal["wanted", "held"]
Clock = Callable[[], datetime]
_WANTED: Claim = "wanted"


class Lease(Frozen):
    """The message of one driver to the others; one file."""

    lease_version: Literal[1] = 1
    owner: Owner
    expires_at: AwareDatetime
    claims: dict[str, Claim]
    """Trial id -> claim."""


def settled(owner_id: str, claims: Mapping[str, Claim], others: Mapping[str, Mapping[str, Claim]]) -> dict[str, Claim]:
    """Return the claims that an owner keeps after reading those of all other live owners (owner id -> claims).

    `others` must have been read after `claims` were written.
    """
    decided: dict[str, Claim] = {}
    for trial, claim in claims.items():
        rivals = {other: theirs[trial] for other, theirs in others.items() if trial in theirs}
        if claim == "held" or not rivals:
            decided[trial] = "held"
        elif "held" not in rivals.values() and owner_id < min(rivals):
            decided[trial] = "wanted"
    return decided


def _now() -> datetime:
    return datetime.now(UTC)


class Leases:
    """The claims of one driver on the trials of one study; to be used in a `with` statement, from any thread.

    Between another driver's record of a trial and a claim of the same trial lies its release. So look for the record
    *after* the claim, and release a trial after its record is written: then it is run once.
    """

    def __init__(
        self,
        folder: Folder,
        study: str,
        owner: Owner,
        *,
        clock: Clock = _now,
        ended: Callable[[Owner], bool] = is_gone,
        wait: Callable[[float], None] = time.sleep,
        renewed_every_s: float = RENEWED_EVERY_S,
    ) -> None:
        """Nothing is written before the `with` statement; `ended` says whether an owner's process is gone."""
        self._folder = folder
        self._at = f"studies/{study}/leases"
        self._first, self._owner, self._lost = owner, owner, 0
        self._clock, self._ended, self._wait, self._renewed_every_s = clock, ended, wait, renewed_every_s
        self._claims: dict[str, Claim] = {}
        self._expires_at = datetime.min.replace(tzinfo=UTC)
        self._claiming = threading.Lock()
        self._writing = threading.RLock()
        self._left = threading.Event()

    def __enter__(self) -> Leases:
        """Show this driver to the others, and renew its lease from now on; remove the files of ended drivers."""
        self._appear()
        self._others()
        threading.Thread(target=self._renew_until_left, name="leases", daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        """Give up all claims."""
        self._left.set()
        with self._writing:
            self._claims = {}
            try:
                self._forget(self._owner.id)
            except StoreError:
                pass  # the run's own end matters more, and the lease expires

    def claim(self, trial_ids: Iterable[str]) -> set[str]:
        """Return which of the trials are this driver's now, including those that it had already.

        Trials of other live drivers are left out, and a driver that lost its lease meanwhile gets none: ask
        again later. Raises StoreError if the folder cannot be read or written, or holds a lease that cannot be read.
        """
        asked = set(trial_ids)
        with self._claiming:  # what one thread wants must not be taken by another that read the others before
            try:
                self._change(lambda claims: {**dict.fromkeys(asked, _WANTED), **claims})
                for _ in range(_ROUNDS):
                    if "wanted" not in self._claims.values():
                        break
                    self._settle()
            finally:
                self._change(lambda claims: {trial: claim for trial, claim in claims.items() if claim == "held"})
        return {trial for trial in asked if self.still_held(trial)}

    def release(self, trial_ids: Iterable[str]) -> None:
        """Let others have the trials; they see it with the next claim or renewal."""
        gone = set(trial_ids)
        with self._writing:
            self._claims = {trial: claim for trial, claim in self._claims.items() if trial not in gone}

    def still_held(self, trial_id: str) -> bool:
        """Return whether the trial is this driver's: False as soon as its lease is lost. Reads no file."""
        return self._claims.get(trial_id) == "held" and self._clock() < self._expires_at

    def others(self) -> dict[str, str]:
        """Return the trials that other live drivers claim, each with who that is, for people."""
        return {trial: _told(lease) for lease in self._others().values() for trial in lease.claims}

    def renew(self) -> None:
        """Write the lease again."""
        with self._writing:
            self._publish(self._claims)

    def _renew_until_left(self) -> None:
        while not self._left.wait(self._renewed_every_s):
            try:
                with self._writing:
                    if not self._left.is_set():
                        self.renew()
            except StoreError:
                pass  # perhaps the next one succeeds; if none does, the lease ends and `still_held` says so

    def _settle(self) -> None:
        others = {owner: lease.claims for owner, lease in self._others().items()}
        with self._writing:
            claims = settled(self._owner.id, self._claims, others)
            if others:
                self._change(lambda _: claims)
            else:  # nobody waits to be told; the next write does
                self._claims = claims
        if "wanted" in self._claims.values():
            self._wait(_PAUSE_S)

    def _change(self, change: Callable[[dict[str, Claim]], dict[str, Claim]]) -> None:
        with self._writing:
            claims = change(self._claims)
            if claims != self._claims:
                self._publish(claims)

    def _publish(self, claims: dict[str, Claim]) -> None:
        # Claims only ever grow stronger. Until the write has succeeded, this driver goes by the weaker ones.
        self._claims = {trial: claim for trial, claim in self._claims.items() if trial in claims}
        expires_at = self._write(claims)
        if self._clock() < self._expires_at:
            self._claims, self._expires_at = claims, expires_at
        else:
            self._appear_anew()

    def _appear(self) -> None:
        self._expires_at = self._write({})
        self._folder.write(f"{self._at}/{self._owner.id}.owner", self._owner.host.encode(), durable=False)

    def _appear_anew(self) -> None:
        self._claims = {}
        self._forget(self._owner.id)
        self._lost += 1
        self._owner = self._first.model_copy(update={"id": f"{self._first.id}-{self._lost}"})
        self._appear()

    def _write(self, claims: dict[str, Claim]) -> datetime:
        lease = Lease(owner=self._owner, expires_at=self._clock() + LIFETIME, claims=claims)
        self._folder.write(f"{self._at}/{self._owner.id}.json", lease.model_dump_json().encode(), durable=False)
        return lease.expires_at

    def _others(self) -> dict[str, Lease]:
        """Return the leases of all other live owners, by owner id; remove what those that ended left."""
        now = self._clock()
        found: dict[str, Lease] = {}
        for owner_id in sorted({_owner_id(name) for name in self._folder.names(self._at)} - {self._owner.id}):
            lease = self._read(owner_id)
            if lease is None or lease.expires_at + SKEW <= now or self._ended(lease.owner):
                self._forget(owner_id)
            else:
                found[owner_id] = lease
        return found

    def _read(self, owner_id: str) -> Lease | None:
        """Return the owner's lease; None if it has none any more, or one that a power failure left empty."""
        path = f"{self._at}/{owner_id}.json"
        content = self._folder.read(path)
        text = b"" if content is None else content.to_pybytes().strip(b"\0")
        try:
            return Lease.model_validate_json(text) if text else None
        except ValidationError as error:
            raise StoreError(
                f"store {self._folder.uri!r}: {path} is not a lease that this program reads "
                f"({error.errors()[0]['msg']}); if no other driver runs this study, remove the file"
            ) from error

    def _forget(self, owner_id: str) -> None:
        # In this order: what has the second file only is over, as the first is written first.
        self._folder.remove(f"{self._at}/{owner_id}.json")
        self._folder.remove(f"{self._at}/{owner_id}.owner")


def _owner_id(name: str) -> str:
    return name.rpartition(".")[0]


def _told(lease: Lease) -> str:
    owner = lease.owner
    return f"{owner.host}, process {owner.pid}, until {lease.expires_at.astimezone(UTC):%H:%M:%S} UTC"
