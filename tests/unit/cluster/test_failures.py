from __future__ import annotations

import importlib
import inspect
from typing import get_args

import pytest

from ablative.trainables.job import Cause

ray_exceptions = pytest.importorskip("ray.exceptions")

from ablative.cluster.failures import MEANINGS  # noqa: E402
from ablative.cluster.failures import POLICIES  # noqa: E402
from ablative.cluster.failures import cause_of  # noqa: E402
from ablative.cluster.failures import cause_of_run  # noqa: E402
from ablative.cluster.failures import is_for_want_of_room  # noqa: E402
from ablative.cluster.failures import meaning_of  # noqa: E402
from ablative.cluster.failures import said  # noqa: E402
from ablative.cluster.failures import tries_again  # noqa: E402
from ablative.cluster.failures import worst  # noqa: E402


def _exceptions(module: str, base: type[Exception]) -> set[str]:
    found = inspect.getmembers(importlib.import_module(module), inspect.isclass)
    return {name for name, found_class in found if issubclass(found_class, base)}


@pytest.mark.parametrize(
    ("module", "known"),
    [
        ("ray.exceptions", "ActorDiedError"),
        ("ray.train", "WorkerGroupError"),
        ("ray.train.error", "SessionMisuseError"),
        ("ray.train.v2.api.exceptions", "PreemptionError"),
        ("ray.train.v2._internal.exceptions", "WorkerGroupStartupTimeoutError"),
    ],
)
def test_every_exception_has_a_row(module: str, known: str) -> None:
    names = _exceptions(module, ray_exceptions.RayError if module == "ray.exceptions" else Exception)
    assert known in names
    assert names <= set(MEANINGS)


def test_every_row_names_a_cause() -> None:
    assert set(MEANINGS.values()) <= {*get_args(Cause), "no_cluster"}


def test_only_losses_are_tried_again() -> None:
    again = {cause for cause in get_args(Cause) if tries_again((cause,), out_of_memory=True)}
    assert again == {"worker_lost", "preempted", "out_of_memory"}
    assert set(POLICIES) <= set(get_args(Cause))


@pytest.mark.parametrize(
    ("causes", "allowed", "again"),
    [
        (("worker_lost",) * 2, False, True),
        (("worker_lost",) * 3, False, False),
        (("preempted",) * 19, False, True),
        (("preempted",) * 20, False, False),
        (("preempted", "preempted", "worker_lost"), False, False),
        (("out_of_memory",), False, False),
        (("worker_lost", "out_of_memory"), True, True),
        (("out_of_memory", "worker_lost"), True, True),
        (("out_of_memory", "out_of_memory"), True, False),
        (("worker_lost", "trainable_error"), True, False),
    ],
)
def test_a_trial_is_tried_again_as_often_as_its_last_cause_allows(
    causes: tuple[str, ...], allowed: bool, again: bool
) -> None:
    assert tries_again(causes, out_of_memory=allowed) is again


def test_a_lost_node_is_told_from_a_lost_process() -> None:
    assert meaning_of(ray_exceptions.NodeDiedError("gone")) == "preempted"
    assert meaning_of(ray_exceptions.WorkerCrashedError()) == "worker_lost"


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

    assert meaning_of(NewInNextRelease("gone")) == "preempted"


def test_a_lost_peer_outranks_the_echo_in_the_survivors() -> None:
    lost = ray_exceptions.ActorDiedError()
    assert worst({0: RuntimeError("connection closed by peer"), 1: lost}) == ("worker_lost", lost)


def test_what_ended_a_train_run_is_never_the_trials_own_doing() -> None:
    assert cause_of_run(RuntimeError("a bug of Ray's")) == "worker_lost"
    assert cause_of_run(ray_exceptions.OutOfMemoryError("killed")) == "out_of_memory"


def test_of_rays_page_about_memory_the_line_with_the_numbers_is_kept() -> None:
    page = ray_exceptions.OutOfMemoryError("1 worker(s) were killed; 8.4GB used / 23.5GB limit\nObject store: ...")
    assert said(page) == "OutOfMemoryError: 1 worker(s) were killed; 8.4GB used / 23.5GB limit"
    assert said(ValueError("one\ntwo")) == "ValueError: one\ntwo"


def test_a_train_run_without_room_is_told_from_one_whose_workers_fail() -> None:
    from ray.train.v2._internal.exceptions import WorkerGroupStartupFailedError
    from ray.train.v2._internal.exceptions import WorkerGroupStartupTimeoutError
    from ray.train.v2.api.exceptions import ControllerError

    assert is_for_want_of_room(ControllerError(WorkerGroupStartupTimeoutError(num_workers=2)))
    assert not is_for_want_of_room(ControllerError(WorkerGroupStartupFailedError("they died")))
    assert not is_for_want_of_room(RuntimeError("a bug"))
