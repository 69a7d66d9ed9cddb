"""Drivers in processes of their own that claim trials and mark what they ran, until none is left."""

from __future__ import annotations

import random
import time

from ablative.orchestrator.storing.folder import Folder
from ablative.orchestrator.storing.leases import Leases
from ablative.orchestrator.storing.owner import Owner

STUDY = "contested"


def marks(uri: str) -> list[str]:
    """Return `<trial>.<driver>` of each trial that was run, sorted."""
    return Folder(uri).names("marks")


def drive(uri: str, driver: str, trials: list[str], seconds: float, random_seed: int) -> None:
    """Claim `trials` at random, a few at a time, and leave a mark for each, until all have one."""
    rng = random.Random(random_seed)
    folder = Folder(uri)
    with Leases(folder, STUDY, Owner.here()) as leases:
        while missing := sorted(set(trials) - {name.partition(".")[0] for name in marks(uri)}):
            ours = leases.claim(rng.sample(missing, min(len(missing), rng.randint(1, 4))))
            done = {name.partition(".")[0] for name in marks(uri)} if ours else set()
            for trial in sorted(ours - done):
                time.sleep(seconds)
                assert leases.still_held(trial)
                folder.write(f"marks/{trial}.{driver}", b"ran", durable=False)
            leases.release(ours)
            if not ours:
                time.sleep(0.01)
