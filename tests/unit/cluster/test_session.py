"""Which cluster is joined, and what of this process's settings goes with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ablative.cluster import session
from ablative.orchestrator.errors import ClusterError


def answers(monkeypatch: pytest.MonkeyPatch, error: Exception | None) -> None:
    """Let the cluster of this machine be joined, or fail to be with `error`."""

    @contextmanager
    def connect(address: str) -> Iterator[bool]:
        assert address == "auto"
        if error is not None:
            raise error
        yield False

    monkeypatch.setattr(session, "connect", connect)
    for name in ("RAY_ADDRESS", session.JOB):
        monkeypatch.delenv(name, raising=False)


def test_a_cluster_that_answers_is_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, None)
    assert session.running_cluster() == "auto"


def test_a_private_cluster_is_started_aloud_where_none_runs_none_was_named_and_no_job_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(monkeypatch, session.NoClusterError("nobody there"))
    assert session.running_cluster() == "local"
    assert capsys.readouterr().err == "no Ray cluster runs here: a private one is started\n"


@pytest.mark.parametrize("name", ["RAY_ADDRESS", session.JOB])
def test_a_cluster_that_was_named_or_has_a_job_running_is_not_replaced(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    answers(monkeypatch, session.NoClusterError("nobody there"))
    monkeypatch.setenv(name, "10.0.0.1:6379" if name == "RAY_ADDRESS" else "{}")
    with pytest.raises(ClusterError, match="nobody there"):
        session.running_cluster()


def test_a_cluster_that_answers_and_cannot_be_joined_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, ClusterError("it refuses"))
    with pytest.raises(ClusterError, match="it refuses"):
        session.running_cluster()


def test_what_a_job_sets_itself_stays_and_its_import_path_is_kept_behind_ours() -> None:
    ours = {"HF_HUB_OFFLINE": "1", "RAY_TRAIN_V2_ENABLED": "1", "PYTHONPATH": "/ours:/the_jobs"}
    job = json.dumps({"runtime_env": {"env_vars": {"HF_HUB_OFFLINE": "0", "PYTHONPATH": "/the_jobs"}}})
    assert session.giving_way(ours, job) == {"RAY_TRAIN_V2_ENABLED": "1", "PYTHONPATH": "/ours:/the_jobs"}
    assert session.giving_way(ours, "") == ours
    assert session.giving_way(ours, json.dumps({"runtime_env": None})) == ours


@pytest.mark.parametrize("connected", [False, True])
def test_an_address_of_rays_client_is_refused_at_once_with_what_does_work(
    monkeypatch: pytest.MonkeyPatch, *, connected: bool
) -> None:
    monkeypatch.setattr(session.ray, "is_initialized", lambda: connected)
    with (
        pytest.raises(ClusterError, match=r"^a study cannot run through Ray's client .*ray submit"),
        session.connect("ray://10.0.0.1:10001"),
    ):
        pass
