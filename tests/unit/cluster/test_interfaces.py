from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
import ray

from ablative.cluster import interfaces


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in interfaces.VARIABLES:
        monkeypatch.setenv(name, "")  # so that it is put back afterwards
        monkeypatch.delenv(name)
    monkeypatch.setattr("ray.util.get_node_ip_address", lambda: "127.0.0.1")


def test_the_interface_is_the_one_that_has_this_machines_address_in_the_cluster() -> None:
    assert interfaces.interface_of("127.0.0.1") == "lo"
    assert interfaces.interface_of("192.0.2.1") is None
    assert interfaces.choose_interface() == "127.0.0.1 by lo"
    assert {os.environ[name] for name in interfaces.VARIABLES} == {"lo"}


def test_an_interface_that_the_person_names_stays() -> None:
    os.environ["GLOO_SOCKET_IFNAME"] = "ib0"
    assert interfaces.choose_interface() == "127.0.0.1 by ib0"
    assert os.environ["NCCL_SOCKET_IFNAME"] == "lo"


def test_workers_that_cannot_meet_are_told_by_which_interface_they_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    class Pair:
        def __len__(self) -> int:
            return 2

        def execute(self, call: Callable[[], Any]) -> list[Any]:
            return [call(), call()]

    def fail(self: Any, worker_group: Any, backend_config: Any) -> None:
        raise ray.exceptions.RayTaskError("setup", "", RuntimeError("connection refused"))

    monkeypatch.setattr(interfaces.MeetingBackend.__bases__[0], "on_start", fail)
    with pytest.raises(RuntimeError, match=r"127\.0\.0\.1 by lo; .*connection refused.*GLOO_SOCKET_IFNAME"):
        interfaces.MeetingBackend().on_start(Pair(), None)
