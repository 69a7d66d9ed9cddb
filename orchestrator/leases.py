"""Leases: two drivers on one study at once never run the same trial, on a disk or in object storage.

Storage gives whole files, reads that see the last write, and complete listings, but no compare-and-swap. So each
driver has one file of its own, and claims in two writes: it says what it wants, looks at what the others want and
hold, and only then holds what is left. A driver gives up what another one holds, or wants with a smaller id; what one
with a greater id wants it waits for until that one has decided.

Two drivers cannot both come to hold a key. Each writes what it wants before it looks. Of two, the one that writes
later sees the other's entry, as `wanted` or as `held`, until that is withdrawn. If it sees `held`, it gives up. If it
sees `wanted`, the one with the greater id gives up, and the other one waits until it has seen that, or `held`.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import field
from typing import Any

from orchestrator.errors import StoreError
from orchestrator.folder import Folder
from orchestrator.owner import Owner
from orchestrator.records import Record
from orchestrator.trials import Trial

EXPIRY_S = 60.0
"""After its last sign of life a driver's claims are free, wherever it is; clocks may differ by less."""
HEARTBEAT_S = 15.0
LOOK_AGAIN_S = 2.0
"""How often it is looked whether other drivers have recorded what they held."""
LOOKS = 50
"""At those who have not decided, before a claim is given up for now."""
BETWEEN_LOOKS_S = 0.02


@dataclass(slots=True, kw_only=True)
class Lease:
    """What one driver's file says."""

    owner: Owner
    expires_at: float
    """Seconds since 1970, UTC."""
    wanted: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)

    def is_live(self, now: float) -> bool:
        """Return whether the claims count."""
        return now < self.expires_at and not self.owner.is_gone()


class Leases:
    """One driver's claims on the trials of one study; an `orchestrator.claims.Claims`, and a context."""

    def __init__(
        self,
        folder: Folder,
        owner: Owner,
        records: Callable[[Sequence[Trial]], list[Record]],
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`folder`: where all drivers of the study have their files. `records`: what the store has of trials."""
        self._folder = folder
        self._name = f"{owner.id}.json"
        self._records = records
        self._clock = clock
        self._sleep = sleep
        self._lease = Lease(owner=owner, expires_at=0.0)
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._has_company = False
        """Whether another driver was there since this one began: then it may have recorded something."""
        self._look_at = 0.0

    def __enter__(self) -> Leases:
        self._write()
        for lease, name in self._others():
            if not lease.is_live(self._clock()) and not self._has_live_company():
                self._folder.remove(name)
        self._has_company = bool(list(self._others()))
        threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with self._lock:
            if not self._has_live_company():
                self._folder.remove(self._name)
                return
            # The file stays, expired: it tells the others that somebody was there and may have recorded something.
            self._lease = Lease(owner=self._lease.owner, expires_at=0.0)
            self._put()

    def claim(self, keys: Iterable[str]) -> set[str]:
        """Return those of `keys` that are this driver's now; what it held before included."""
        keys = set(keys)
        new = keys - self._lease.held
        if new:
            self._write(wanted=new)
            granted = self._settled(new)
            self._write(wanted=set(), held=self._lease.held | granted)
        return keys & self._lease.held

    def release(self, keys: Iterable[str]) -> None:
        """Let go of keys; the others are told with the next write."""
        with self._lock:
            self._lease.held -= set(keys)

    def recorded(self, trials: Sequence[Trial]) -> list[Record]:
        """Return the records of `trials` that are in the store by now, where there was another driver at all."""
        return self._records(trials) if self._has_company else []

    def is_due(self) -> bool:
        """Return whether it is time to look again at what other drivers run, at most every few seconds."""
        now = self._clock()
        if now < self._look_at:
            return False
        self._look_at = now + LOOK_AGAIN_S
        return True

    def others(self) -> dict[str, Owner]:
        """Return key -> who else holds it."""
        now = self._clock()
        return {key: lease.owner for lease, _ in self._others() if lease.is_live(now) for key in lease.held}

    def _settled(self, new: set[str]) -> set[str]:
        """Return those of the wanted keys that no other driver holds or is first to want."""
        for _ in range(LOOKS):
            undecided: set[str] = set()
            now = self._clock()
            for lease, _name in self._others():
                if not lease.is_live(now):
                    continue
                first = lease.wanted if lease.owner.id < self._lease.owner.id else set()
                new = new - lease.held - first
                undecided |= lease.wanted & new
            if new != self._lease.wanted:
                self._write(wanted=new)
            if not undecided & new:
                return new
            self._sleep(BETWEEN_LOOKS_S)
        return new - undecided

    def _has_live_company(self) -> bool:
        now = self._clock()
        return any(lease.is_live(now) for lease, _ in self._others())

    def _others(self) -> Iterator[tuple[Lease, str]]:
        for name in self._folder.names(""):
            if name != self._name and name.endswith(".json"):
                content = self._folder.read(name)
                lease = None if content is None else _parsed(content.to_pybytes())
                if lease is not None:
                    self._has_company = True
                    yield lease, name

    def _write(self, **changes: Any) -> None:
        with self._lock:
            for name, value in changes.items():
                setattr(self._lease, name, value)
            self._lease.expires_at = self._clock() + EXPIRY_S
            self._put()

    def _put(self) -> None:
        lease = self._lease
        content = {
            "owner": asdict(lease.owner),
            "expires_at": lease.expires_at,
            "wanted": sorted(lease.wanted),
            "held": sorted(lease.held),
        }
        self._folder.write(self._name, json.dumps(content).encode(), durable=False)

    def _beat(self) -> None:
        while not self._over.wait(HEARTBEAT_S):
            with suppress(StoreError):  # if it goes on, the lease expires, and the driver finds the trouble itself
                self._write()


def _parsed(content: bytes) -> Lease | None:
    """Return what a file says; None where it is none of ours."""
    try:
        found = json.loads(content)
        return Lease(
            owner=Owner(**found["owner"]),
            expires_at=float(found["expires_at"]),
            wanted=set(found["wanted"]),
            held=set(found["held"]),
        )
    except (ValueError, TypeError, KeyError):
        return None
