from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path

import pytest

from search_spaces.study import Resources
from trainables.config import TrialConfig

pytestmark = pytest.mark.ray
Progress = Callable[[str, int, int], None]


def _prepare(configs: Sequence[TrialConfig], cache: Path, progress: Progress) -> None:
    for done, config in enumerate(configs, start=1):
        (cache / config.task.name).touch()
        progress("features", done, len(configs))


def _without_data(configs: Sequence[TrialConfig], cache: Path, progress: Progress) -> None:
    raise FileNotFoundError("data/vcr/train.jsonl is expected")


def test_preparation_runs_on_the_cluster_and_reports_here(ray_cluster: None, tmp_path: Path) -> None:
    from cluster.preparation import prepare_remote

    seen: list[tuple[str, int, int]] = []
    configs = [TrialConfig.model_validate({"task": {"name": name}}) for name in ("vqa", "vcr")]
    prepare_remote(
        configs,
        tmp_path,
        lambda *event: seen.append(event),
        address="local",
        resources=Resources(),
        prepare=_prepare,
    )
    assert seen == [("features", 1, 2), ("features", 2, 2)]
    assert {path.name for path in tmp_path.iterdir()} == {"vqa", "vcr"}


def test_what_preparation_raises_arrives_as_itself(ray_cluster: None, tmp_path: Path) -> None:
    from cluster.preparation import prepare_remote

    with pytest.raises(FileNotFoundError, match=r"data/vcr/train\.jsonl") as caught:
        prepare_remote(
            [], tmp_path, lambda *event: None, address="local", resources=Resources(), prepare=_without_data
        )
    assert type(caught.value) is FileNotFoundError
