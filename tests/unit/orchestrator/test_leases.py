from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest

from orchestrator.folder import Folder
from orchestrator.leases import EXPIRY_S
from orchestrator.leases import Leases
from orchestrator.owner import Owner
from orchestrator.owner import this_owner
from orchestrator.store import Store

KEYS = [f"trial-{number}" for number in range(60)]


def _leases(folder: Path, owner: Owner | None = None, now: float = 1000.0) -> Leases:
    return Leases(Folder(str(folder)), owner or _owner("m"), lambda trials: [], clock=lambda: now)


def _owner(name: str) -> Owner:
    return Owner(id=name, host="another host", boot="b", pid=1, started="1")


def test_a_driver_gets_what_no_other_one_holds(tmp_path: Path) -> None:
    first, second = _leases(tmp_path, _owner("a")), _leases(tmp_path, _owner("b"))
    assert first.claim(["x", "y"]) == {"x", "y"}
    assert second.claim(["y", "z"]) == {"z"}
    assert first.claim(["x", "z"]) == {"x"}
    assert second.others() == {"x": _owner("a"), "y": _owner("a")}


def test_what_is_released_is_free_once_it_is_written(tmp_path: Path) -> None:
    first, second = _leases(tmp_path, _owner("a")), _leases(tmp_path, _owner("b"))
    first.claim(["x", "y"])
    first.release(["x"])
    first.claim(["w"])
    assert second.claim(["x", "y"]) == {"x"}


def test_claims_expire_when_their_driver_shows_no_sign_of_life(tmp_path: Path) -> None:
    _leases(tmp_path, _owner("a")).claim(["x"])
    assert _leases(tmp_path, _owner("b"), now=1000.0 + EXPIRY_S - 1).claim(["x"]) == set()
    assert _leases(tmp_path, _owner("c"), now=1000.0 + EXPIRY_S + 1).claim(["x"]) == {"x"}


def test_a_driver_that_has_ended_on_this_machine_holds_nothing(tmp_path: Path) -> None:
    here = this_owner()
    gone = Owner(id="a", host=here.host, boot=here.boot, pid=here.pid, started="another start")
    _leases(tmp_path, gone).claim(["x"])
    assert not here.is_gone()
    assert gone.is_gone()
    assert _leases(tmp_path, here).claim(["x"]) == {"x"}


def test_the_last_driver_leaves_nothing_behind_and_the_others_a_sign(tmp_path: Path) -> None:
    folder = tmp_path / "leases"
    with _leases(folder, _owner("a")):
        assert len(list(folder.iterdir())) == 1
    assert list(folder.iterdir()) == []
    with _leases(folder, _owner("a")) as first:
        with _leases(folder, _owner("b")) as second:
            second.claim(["x"])
        assert len(list(folder.iterdir())) == 2
        assert first.claim(["x"]) == {"x"}
        assert first._has_company
    with _leases(folder, _owner("c")) as third:
        assert not third._has_company
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"{}", b'{"owner": 3}', b"\xff"])
def test_a_file_that_is_no_lease_is_no_obstacle(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_bytes(content)
    assert _leases(tmp_path).claim(["x"]) == {"x"}


def test_a_lease_says_who_and_until_when(tmp_path: Path) -> None:
    _leases(tmp_path, _owner("a")).claim(["x"])
    content = json.loads((tmp_path / "a.json").read_text())
    assert content["held"] == ["x"]
    assert content["expires_at"] == 1000.0 + EXPIRY_S
    assert str(_owner("a")) == "process 1 on another host"


def test_leases_of_a_store_lie_beside_the_study(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    with store.leases("little", this_owner()) as claims:
        assert claims.claim(["x"]) == {"x"}
        assert len(list((tmp_path / "studies" / "little" / "leases").iterdir())) == 1
        assert store.studies() == []


def _drive(folder: str, seed: int, dies_after: int) -> None:
    """Claim all keys in an order of one's own, leaving a mark for each; die by SIGKILL after some."""
    rng = random.Random(seed)
    marks = Path(folder) / "marks"
    with Leases(Folder(f"{folder}/leases"), this_owner(), lambda trials: []) as leases:
        open_keys = rng.sample(KEYS, len(KEYS))
        while open_keys:
            block, open_keys = open_keys[:3], open_keys[3:]
            for key in leases.claim(block):
                if not (marks / key).exists():  # as a record would say
                    with (marks / key).open("x") as mark:  # raises where two come to this point
                        mark.write(f"{seed}\n")
            if dies_after and len(list(marks.iterdir())) >= dies_after:
                os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("dies_after", [0, 20])
def test_two_processes_never_get_the_same_key_even_if_one_is_killed(dies_after: int, tmp_path: Path) -> None:
    (tmp_path / "marks").mkdir()
    context = multiprocessing.get_context("spawn")
    drivers = [
        context.Process(target=_drive, args=(str(tmp_path), seed, dies_after if seed == 1 else 0)) for seed in (1, 2)
    ]
    started = time.monotonic()
    for driver in drivers:
        driver.start()
    for driver in drivers:
        driver.join(60)
    assert drivers[1].exitcode == 0
    assert drivers[0].exitcode == (-signal.SIGKILL if dies_after else 0)
    marks = {mark.name: mark.read_text().split() for mark in (tmp_path / "marks").iterdir()}
    assert len(marks) > len(KEYS) / 2
    assert all(len(seeds) == 1 for seeds in marks.values())
    # Whatever one of them held, a third gets at once: nobody waits for the lease of a dead process to expire.
    assert Leases(Folder(str(tmp_path / "leases")), this_owner(), lambda trials: []).claim(KEYS) == set(KEYS)
    assert time.monotonic() - started < EXPIRY_S
