"""A machine with another cache at the same path runs no trial."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ablative.cluster.same_cache import cache_identity
from ablative.cluster.same_cache import fetch_cache
from ablative.cluster.same_cache import require_cache
from ablative.cluster.same_cache import require_data
from ablative.orchestrator.errors import ClusterError
from ablative.trainables.published import Listed
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study

STUDY = make_study()


def test_a_cache_keeps_its_identity_and_is_known_again(tmp_path: Path) -> None:
    identity = cache_identity(tmp_path / "cache")

    assert cache_identity(tmp_path / "cache") == identity
    require_cache(tmp_path / "cache", identity)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["cache_id"]


def test_drivers_that_begin_together_give_one_identity(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as threads:
        found = set(threads.map(lambda _: cache_identity(tmp_path), range(64)))

    assert len(found) == 1


@pytest.mark.parametrize(("made", "said"), [(False, "no cache"), (True, "another cache")])
def test_another_cache_or_none_is_refused(tmp_path: Path, made: bool, said: str) -> None:
    identity = cache_identity(tmp_path / "here")
    if made:
        cache_identity(tmp_path / "there")

    with pytest.raises(ClusterError, match=said):
        require_cache(tmp_path / "there", identity)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_may_only_be_read_is_used_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    assert cache_identity(tmp_path) == ""
    require_cache(tmp_path, "")


def test_a_read_only_file_system_is_no_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "write_text", refuses)
    assert cache_identity(tmp_path) == ""
    require_cache(tmp_path, "")


def test_a_machine_that_cannot_fetch_or_lacks_data_says_so_and_runs_no_trial(tmp_path: Path) -> None:
    nothing = Listed(uri=(tmp_path / "cache").as_uri(), id="nothing")
    with pytest.raises(ClusterError, match="cannot fetch the files that trials read, so it runs no trial"):
        fetch_cache(nothing)

    (job, *_) = (trial.job(cache="", resources=STUDY.resources) for trial in make_queue(STUDY).trials())
    require_data(lambda configs: (), job)
    require_data(None, job)
    with pytest.raises(ClusterError, match=r"data: no such folder.*name data by a URI that all machines reach"):
        require_data(lambda configs: ("data: no such folder",), job)
