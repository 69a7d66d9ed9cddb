"""What leases promise wherever the store lies, with drivers in real processes."""

from __future__ import annotations

import multiprocessing
import time
from abc import ABC
from abc import abstractmethod
from multiprocessing.context import SpawnProcess

import pytest

from ablative.orchestrator.storing.folder import Folder
from ablative.orchestrator.storing.leases import LIFETIME
from ablative.orchestrator.storing.leases import Leases
from ablative.orchestrator.storing.owner import Owner
from tests.helpers.claiming_driver import STUDY
from tests.helpers.claiming_driver import drive
from tests.helpers.claiming_driver import marks


class LeaseContract(ABC):
    """Claims about leases; a backend says where, and how many trials it can stand."""

    num_trials: int

    @pytest.fixture
    @abstractmethod
    def uri(self) -> str:
        """An empty folder, where no other test writes."""

    def _start(self, uri: str, driver: str, seconds: float) -> SpawnProcess:
        trials = [f"t{i:03}" for i in range(self.num_trials)]
        arguments = (uri, driver, trials, seconds, ord(driver))
        process = multiprocessing.get_context("spawn").Process(target=drive, args=arguments, daemon=True)
        process.start()
        return process

    def test_a_claimed_trial_is_nobody_elses_until_it_is_released(self, uri: str) -> None:
        with Leases(Folder(uri), STUDY, Owner.here()) as one, Leases(Folder(uri), STUDY, Owner.here()) as other:
            assert one.claim(["t1", "t2"]) == {"t1", "t2"}
            assert one.claim(["t2", "t3"]) == {"t2", "t3"}
            assert other.claim(["t3", "t4"]) == {"t4"}
            assert set(other.others()) == {"t1", "t2", "t3"}
            assert one.still_held("t3")
            assert not other.still_held("t3")
            one.release(["t3"])
            one.renew()
            assert other.claim(["t3"]) == {"t3"}
        assert Folder(uri).names(f"studies/{STUDY}/leases") == []

    def test_two_processes_run_each_trial_exactly_once(self, uri: str) -> None:
        drivers = [self._start(uri, name, 0.005) for name in "ab"]
        for driver in drivers:
            driver.join(120)

        assert [driver.exitcode for driver in drivers] == [0, 0]
        ran = marks(uri)
        assert [name.partition(".")[0] for name in ran] == [f"t{i:03}" for i in range(self.num_trials)]
        assert {name.partition(".")[2] for name in ran} == {"a", "b"}
        assert Folder(uri).names(f"studies/{STUDY}/leases") == []

    def test_the_trials_of_a_killed_process_are_taken_over_at_once(self, uri: str) -> None:
        doomed, other = (self._start(uri, name, 0.02) for name in "ab")
        while not any(name.endswith(".a") for name in marks(uri)) or len(marks(uri)) < self.num_trials / 5:
            assert doomed.is_alive()
            time.sleep(0.01)
        doomed.kill()  # SIGKILL; not fetched by its parent until the end, so that it stays as a zombie
        killed_at = time.monotonic()
        other.join(LIFETIME.total_seconds())

        assert other.exitcode == 0
        assert time.monotonic() - killed_at < LIFETIME.total_seconds() / 2
        ran = marks(uri)
        assert [name.partition(".")[0] for name in ran] == [f"t{i:03}" for i in range(self.num_trials)]
        assert Folder(uri).names(f"studies/{STUDY}/leases") == []
        doomed.join()
