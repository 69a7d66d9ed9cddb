from __future__ import annotations

import inspect
from typing import get_args

import pytest

from trainables.job import Cause

ray_exceptions = pytest.importorskip("ray.exceptions")

from cluster.failures import MEANINGS  # noqa: E402
from cluster.failures import cause_of  # noqa: E402
from cluster.failures import meaning_of  # noqa: E402
from cluster.failures import worst  # noqa: E402


def _exceptions() -> set[str]:
    found = inspect.getmembers(ray_exceptions, inspect.isclass)
    return {name for name, found_class in found if issubclass(found_class, ray_exceptions.RayError)}


def test_every_exception_of_ray_has_a_row() -> None:
    names = _exceptions()
    assert "ActorDiedError" in names
    assert names <= set(MEANINGS)


def test_every_row_names_a_cause() -> None:
    assert set(MEANINGS.values()) <= {*get_args(Cause), "no_cluster"}


def test_a_dead_worker_behind_a_failed_health_check_is_a_lost_worker() -> None:
    class HealthCheckFailed(Exception):
        health_check_failure = ray_exceptions.ActorDiedError()

    assert cause_of(HealthCheckFailed()) == "worker_lost"


def test_memory_is_told_from_other_losses() -> None:
    assert meaning_of(ray_exceptions.OutOfMemoryError("killed")) == "out_of_memory"
    assert meaning_of(MemoryError()) == "out_of_memory"


def test_what_the_cluster_cannot_do_is_not_the_fault_of_a_trial() -> None:
    assert meaning_of(ray_exceptions.RuntimeEnvSetupError("no such folder")) == "no_cluster"
    assert cause_of(ray_exceptions.RuntimeEnvSetupError("no such folder")) == "worker_lost"


def test_a_subclass_that_is_not_listed_has_the_meaning_of_its_base() -> None:
    class NewInNextRelease(ray_exceptions.NodeDiedError):
        pass

    assert meaning_of(NewInNextRelease("gone")) == "worker_lost"


def test_a_lost_peer_outranks_the_echo_in_the_survivors() -> None:
    lost = ray_exceptions.ActorDiedError()
    assert worst({0: RuntimeError("connection closed by peer"), 1: lost}) == ("worker_lost", lost)
