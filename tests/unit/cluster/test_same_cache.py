"""A machine with another cache at the same path runs no trial."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ablative.cluster.same_cache import cache_identity
from ablative.cluster.same_cache import require_cache
from ablative.orchestrator.errors import ClusterError


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
