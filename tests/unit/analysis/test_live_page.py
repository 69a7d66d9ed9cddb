from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ablative.analysis.errors import AnalysisError
from ablative.analysis.showing.live_page import LivePage
from ablative.analysis.showing.live_page import ServedPage
from ablative.orchestrator.storing.store import Store
from tests.helpers.results import StudyResults
from tests.helpers.results import as_failed

STUDY = StudyResults(conditions={"task.name": ["snli_ve"]})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return STUDY.write(str(tmp_path))


@pytest.fixture
def served(store: Store) -> Iterator[ServedPage]:
    page = ServedPage(LivePage(store.uri, "lowshot", lambda: store.version("lowshot"), every=0.2))
    yield page
    page.close()


def _get(url: str, **headers: str) -> str:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as answer:
        return str(answer.read().decode())


@pytest.mark.slow
def test_the_page_shows_what_is_recorded_by_now(store: Store, served: ServedPage) -> None:
    before = _get(served.url)
    version = _get(f"{served.url}version")
    assert "No recorded trial failed" in before
    assert version in before

    store.write(as_failed(STUDY.records()[-1]))

    assert _get(f"{served.url}version") != version
    assert "loss is nan at step 40" in _get(served.url)


def test_only_this_machine_is_answered(served: ServedPage) -> None:
    assert served.url.startswith("http://127.0.0.1:")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        _get(served.url, Host="elsewhere.example:80")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        _get(f"{served.url}../../etc/passwd")


def test_a_taken_port_is_named(store: Store, served: ServedPage) -> None:
    port = int(served.url.rstrip("/").rpartition(":")[2])
    with pytest.raises(AnalysisError, match=f"port {port}: .*--port"):
        ServedPage(LivePage(store.uri, "lowshot", lambda: "", every=1), port)
