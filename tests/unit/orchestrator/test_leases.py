from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ablative.orchestrator.errors import StoreError
from ablative.orchestrator.storing.folder import Folder
from ablative.orchestrator.storing.leases import LIFETIME
from ablative.orchestrator.storing.leases import SKEW
from ablative.orchestrator.storing.leases import Lease
from ablative.orchestrator.storing.leases import Leases
from ablative.orchestrator.storing.leases import settled
from ablative.orchestrator.storing.owner import Owner
from ablative.orchestrator.storing.owner import is_gone

SECOND = timedelta(seconds=1)
START = datetime(2026, 1, 1, tzinfo=UTC)


class Moments(Folder):
    """A folder of one driver; tests say what happens just after its writes and reads."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self.after_write: Callable[[str], None] = lambda path: None
        self.after_read: Callable[[str], None] = lambda path: None

    def write(self, path: str, content: Any, *, durable: bool = True) -> None:
        super().write(path, content, durable=durable)
        self.after_write(path)

    def read(self, path: str) -> Any:
        content = super().read(path)
        self.after_read(path)
        return content


class Site:
    """Drivers on one folder, each with its own clock and none with a heartbeat that matters."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = START
        self.gone: set[str] = set()

    def driver(self, name: str, skew: timedelta = timedelta()) -> Leases:
        """A driver called `name`, whose clock is ahead by `skew`."""
        return Leases(
            Moments(str(self.path)),
            "study",
            Owner(id=name, host=f"host-{name}", machine="m", pid=7, started=name),
            clock=lambda: self.now + skew,
            ended=lambda owner: owner.started in self.gone,
            wait=lambda seconds: None,
            renewed_every_s=3600.0,
        )

    def files(self) -> list[str]:
        """What lies in the folder."""
        return Folder(str(self.path)).names("studies/study/leases")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def _moments(leases: Leases) -> Moments:
    folder = leases._folder
    assert isinstance(folder, Moments)
    return folder


@pytest.mark.parametrize(
    ("claims", "others", "expected"),
    [
        ({"t": "wanted"}, {}, {"t": "held"}),
        ({"t": "wanted"}, {"a": {"u": "held"}}, {"t": "held"}),
        ({"t": "wanted"}, {"z": {"t": "held"}}, {}),
        ({"t": "wanted"}, {"a": {"t": "held"}}, {}),
        ({"t": "wanted"}, {"a": {"t": "wanted"}}, {}),
        ({"t": "wanted"}, {"z": {"t": "wanted"}}, {"t": "wanted"}),
        ({"t": "wanted"}, {"z": {"t": "wanted"}, "a": {"t": "wanted"}}, {}),
        ({"t": "wanted"}, {"y": {"t": "wanted"}, "z": {"t": "held"}}, {}),
        ({"t": "held"}, {"a": {"t": "wanted"}}, {"t": "held"}),
        ({"t": "wanted", "u": "wanted", "v": "held"}, {"a": {"t": "held"}}, {"u": "held", "v": "held"}),
    ],
)
def test_claims_are_settled_by_rank(claims: Any, others: Any, expected: Any) -> None:
    assert settled("m", claims, others) == expected


def test_a_lease_that_is_not_renewed_ends_first_for_its_owner_and_later_for_others(site: Site) -> None:
    with site.driver("a") as one, site.driver("b") as other:
        assert one.claim(["t"]) == {"t"}
        site.now += LIFETIME - SECOND
        assert one.still_held("t")
        other.renew()
        site.now += SECOND
        assert not one.still_held("t")
        assert other.claim(["t"]) == set()
        site.now += SKEW - SECOND
        assert other.claim(["t"]) == set()
        site.now += SECOND
        assert other.claim(["t"]) == {"t"}
        assert one.claim(["t"]) == set()


def test_a_renewed_lease_goes_on(site: Site) -> None:
    with site.driver("a") as one, site.driver("b") as other:
        one.claim(["t"])
        for _ in range(10):
            site.now += LIFETIME - SECOND
            one.renew()
            other.renew()
        assert one.still_held("t")
        assert other.claim(["t", "u"]) == {"u"}


def test_clocks_that_differ_by_less_than_the_skew_do_no_harm(site: Site) -> None:
    with site.driver("a") as behind, site.driver("b", skew=SKEW - SECOND) as ahead:
        behind.claim(["t"])
        for _ in range(int(LIFETIME / SECOND) + 20):
            site.now += SECOND
            ahead.claim(["t"])
            assert not (ahead.still_held("t") and behind.still_held("t"))
        assert ahead.still_held("t")


def test_an_owner_that_was_suspended_while_it_renewed_gives_up_what_it_held(site: Site) -> None:
    with site.driver("a") as one, site.driver("b") as other:
        one.claim(["t"])

        def sleep(path: str) -> None:
            _moments(one).after_write = lambda path: None
            site.now += LIFETIME + SKEW

        _moments(one).after_write = sleep
        one.renew()
        assert not one.still_held("t")
        other.renew()
        assert other.claim(["t"]) == {"t"}
        assert one.claim(["t", "u"]) == {"u"}


def test_an_owner_that_lost_its_lease_is_another_owner_from_then_on(site: Site) -> None:
    with site.driver("a") as one:
        before = site.files()
        site.now += LIFETIME
        one.renew()
        assert len(site.files()) == len(before)
        assert not set(site.files()) & set(before), "whoever took the lease as ended may still remove its file"
    assert site.files() == []


def test_an_owner_that_renews_while_it_is_read_is_not_taken_as_ended(site: Site) -> None:
    with site.driver("a") as one, site.driver("b") as other:
        one.claim(["t"])
        site.now += LIFETIME - SECOND
        other.renew()

        def renew_then_sleep(path: str) -> None:
            _moments(other).after_read = lambda path: None
            one.renew()
            site.now += SKEW + 2 * SECOND

        _moments(other).after_read = renew_then_sleep
        other.claim(["t"])
        assert one.still_held("t")
        assert not other.still_held("t")


def test_a_smaller_owner_waits_for_a_greater_one_that_wants_the_same(site: Site) -> None:
    with site.driver("a") as small, site.driver("b") as great:
        answers: dict[str, set[str]] = {}

        def come_between(path: str) -> None:
            _moments(great).after_write = lambda path: None
            answers["a"] = small.claim(["t"])

        _moments(great).after_write = come_between
        answers["b"] = great.claim(["t"])
        assert answers == {"a": set(), "b": {"t"}}, "it is asked again later, and nobody has waited forever"
        great.release(["t"])
        great.renew()
        assert small.claim(["t"]) == {"t"}


def test_the_lease_of_a_process_that_is_gone_ends_at_once_and_its_files_go(site: Site) -> None:
    with site.driver("b") as other:
        dead = site.driver("a").__enter__()
        dead.claim(["t"])
        assert other.claim(["t"]) == set()
        assert len(site.files()) == 4
        site.gone.add("a")
        assert other.claim(["t"]) == {"t"}
        assert site.files() == ["b.json", "b.owner"]


def test_others_are_told_in_words(site: Site) -> None:
    with site.driver("a") as one, site.driver("b") as other:
        one.claim(["t"])
        assert other.others() == {"t": "host-a, process 7, until 00:01:00 UTC"}
        assert other.claim(["t"]) == set()
        assert one.others() == {}, "what was withdrawn is not wanted any more"


def test_a_file_that_a_power_failure_left_empty_claims_nothing(site: Site) -> None:
    leases = site.path / "studies" / "study" / "leases"
    with site.driver("b") as one:
        for name, content in {"c": b"", "d": b"\0" * 200}.items():
            (leases / f"{name}.json").write_bytes(content)
            (leases / f"{name}.owner").write_bytes(b"")
        assert one.claim(["t"]) == {"t"}
        assert site.files() == ["b.json", "b.owner"]


def test_a_lease_of_another_version_is_refused_by_name(site: Site) -> None:
    other = Lease(owner=Owner.here(), expires_at=START + LIFETIME, claims={})
    with site.driver("b") as one:
        newer = other.model_dump_json().replace('"lease_version":1', '"lease_version":2')
        (site.path / "studies" / "study" / "leases" / "c.json").write_text(newer)
        with pytest.raises(StoreError, match=r"c\.json is not a lease that this program reads"):
            one.claim(["t"])
        assert not one.still_held("t")


def test_a_claim_that_cannot_be_written_is_not_held(site: Site) -> None:
    with site.driver("a") as one, site.driver("b") as other:

        def full(path: str) -> None:
            raise StoreError("no space left")

        _moments(one).after_write = full
        with pytest.raises(StoreError):
            one.claim(["t"])
        assert not one.still_held("t")
        _moments(one).after_write = lambda path: None
        one.renew()
        assert other.claim(["t"]) == {"t"}


def test_the_heartbeat_renews_the_lease(tmp_path: Path) -> None:
    renewed: list[str] = []
    folder = Moments(str(tmp_path))
    folder.after_write = renewed.append
    with Leases(folder, "study", Owner.here(), renewed_every_s=0.001):
        while len(renewed) < 5:
            pass
    assert folder.names("studies/study/leases") == []


def test_this_process_is_there_and_one_that_started_at_another_time_is_gone() -> None:
    here = Owner.here()
    assert here.pid == os.getpid()
    assert here.id != Owner.here().id
    assert not is_gone(here)
    if here.started:
        assert is_gone(here.model_copy(update={"started": "1"}))
    for elsewhere in ({"machine": "another"}, {"host": "another"}, {"machine": ""}):
        assert not is_gone(here.model_copy(update={"started": "1", **elsewhere}))


@pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="this machine does not tell of its processes in /proc"
)
def test_a_killed_process_is_gone_even_before_its_parent_fetches_it() -> None:
    owner = "from ablative.orchestrator.storing.owner import Owner"
    command = f"{owner}; print(Owner.here().model_dump_json(), flush=True); input()"
    child = subprocess.Popen(
        [sys.executable, "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]
    )
    assert child.stdout is not None
    owner = Owner.model_validate_json(child.stdout.readline())
    assert not is_gone(owner)
    child.kill()
    assert child.stdout.read() == b""  # its end of the pipe is closed: it is dead, and a zombie
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_gone(owner)
    child.communicate()
    assert is_gone(owner)


def test_a_driver_that_has_only_begun_to_appear_is_not_taken_for_one_that_has_ended(site: Site) -> None:
    slow, quick = site.driver("a"), site.driver("b")
    begun, go_on, claimed, over = (threading.Event() for _ in range(4))
    held: list[bool] = []

    def pause_once(path: str) -> None:
        if not begun.is_set():
            begun.set()
            assert go_on.wait(30)

    def appear() -> None:
        with slow:
            slow.claim({"t"})
            claimed.set()
            assert over.wait(30)
            held.append(slow.still_held("t"))

    def let_it_appear(path: str) -> None:
        if "/a." in path:
            go_on.set()
            assert claimed.wait(30)

    _moments(slow).after_write = pause_once
    thread = threading.Thread(target=appear)
    thread.start()
    assert begun.wait(30)
    with quick:
        _moments(quick).after_read = let_it_appear
        quick.others()
        granted = quick.claim({"t"})
        over.set()
        thread.join(30)
    assert held == [True]
    assert granted == set()
