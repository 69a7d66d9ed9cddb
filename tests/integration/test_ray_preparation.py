from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ablative.progress import Progress
from ablative.search_spaces.study import Resources
from ablative.trainables.config import TaskConfig
from ablative.trainables.config import TrialConfig
from ablative.trainables.data.load import load_split
from ablative.trainables.prepare import feature_blocks
from ablative.trainables.prepare import preparation
from ablative.trainables.students.tokens import teacher_text
from ablative.trainables.teachers.feature_blocks import BLOCK_SIZE
from ablative.trainables.teachers.feature_blocks import FeatureBlock
from ablative.trainables.teachers.feature_blocks import compute_block
from ablative.trainables.teachers.feature_cache import open_features
from tests.helpers.small_teachers import pictured_snli_ve
from tests.helpers.small_teachers import small_teacher
from tests.helpers.tasks import TASKS

pytestmark = pytest.mark.ray


def _touch(configs: Sequence[TrialConfig], cache: Path, progress: Progress) -> None:
    for done, config in enumerate(configs, start=1):
        (cache / config.task.name).touch()
        progress("features", done, len(configs))


def _without_data(configs: Sequence[TrialConfig], cache: Path, progress: Progress) -> None:
    raise FileNotFoundError("data/vcr/train.jsonl is expected")


def _nothing(configs: Sequence[TrialConfig], cache: Path) -> list[FeatureBlock]:
    return []


def _small_blocks(configs: Sequence[TrialConfig], cache: Path) -> list[FeatureBlock]:
    BLOCK_SIZE.update(dict.fromkeys(BLOCK_SIZE, 3))
    return feature_blocks(configs, cache)


def _noted(log: Path, block: FeatureBlock, cache: Path) -> None:
    """Compute a block and note in which process; the first to come loses its worker once."""
    try:
        (log / "killed").mkdir(exist_ok=False)
        os.kill(os.getpid(), 9)
    except FileExistsError:
        pass
    compute_block(block, cache)
    with (log / "processes").open("a") as file:
        file.write(f"{os.getpid()}\n")


def _refused(block: FeatureBlock, cache: Path) -> None:
    raise ValueError(f"{block.table}: no room on the disk")


def test_preparation_runs_on_the_cluster_and_reports_here(ray_cluster: None, tmp_path: Path) -> None:
    from ablative.cluster.preparation import prepare_remote
    from ablative.trainables.parts.preparation import Preparation

    seen: list[tuple[str, int, int]] = []
    configs = [TrialConfig.model_validate({"task": {"name": name}}) for name in ("vqa", "vcr")]
    prepare_remote(
        configs,
        tmp_path,
        lambda *event: seen.append(event),
        address="local",
        resources=Resources(),
        steps=Preparation(data=_touch, blocks=_nothing),
    )
    assert [event for event in seen if event[2]] == [("features", 1, 2), ("features", 2, 2)]  # others only wait
    assert {path.name for path in tmp_path.iterdir()} == {"vqa", "vcr"}


def test_preparation_that_finds_no_room_says_what_it_waits_for(ray_cluster: None, tmp_path: Path) -> None:
    import ray

    from ablative.cluster.preparation import prepare_remote
    from ablative.trainables.parts.preparation import Preparation

    @ray.remote(num_cpus=3)
    class Other:
        """What holds three of the four CPUs."""

        def is_there(self) -> bool:
            return True

    other, seen = Other.remote(), list[tuple[str, int, int]]()
    assert ray.get(other.is_there.remote())

    def listen(*event: object) -> None:
        seen.append(event)  # type: ignore[arg-type]
        if len(seen) == 1:
            ray.kill(other)

    steps = Preparation(data=_touch, blocks=_nothing)
    resources, config = Resources(cpus_per_worker=2), TrialConfig.model_validate({"task": {"name": "vqa"}})
    prepare_remote([config], tmp_path, listen, address="local", resources=resources, steps=steps)
    waited = "preparing the data waits for 2 CPU on one machine; free: 1 of 4 CPU on 1 machine"
    assert seen[0] == (waited, 0, 0)
    assert seen[-1] == ("features", 1, 1)


def test_what_preparation_raises_arrives_as_itself(ray_cluster: None, tmp_path: Path) -> None:
    from ablative.cluster.preparation import prepare_remote
    from ablative.trainables.parts.preparation import Preparation

    with pytest.raises(FileNotFoundError, match=r"data/vcr/train\.jsonl") as caught:
        prepare_remote(
            [],
            tmp_path,
            lambda *event: None,
            address="local",
            resources=Resources(),
            steps=Preparation(data=_without_data, blocks=_nothing),
        )
    assert type(caught.value) is FileNotFoundError


def test_features_are_computed_in_several_processes_and_a_lost_worker_costs_nothing(
    ray_cluster: None, tmp_path: Path
) -> None:
    from ablative.cluster.preparation import prepare_remote

    teacher = small_teacher(tmp_path / "teacher")
    config = TrialConfig(
        task=TaskConfig(name="snli_ve", data=str(pictured_snli_ve(tmp_path / "flickr"))),
        teacher=teacher,
        distillation={"terms": {"image": 1.0, "text": 1.0, "tokens": 1.0}},
    )
    cache, seen = tmp_path / "cache", list[tuple[str, int, int]]()
    arguments = {"address": "local", "resources": Resources(cpus_per_worker=2)}  # two at once
    steps = replace(preparation(), blocks=_small_blocks, compute=partial(_noted, tmp_path))
    prepare_remote([config], cache, lambda *event: seen.append(event), **arguments, steps=steps)

    assert feature_blocks([config], cache) == []
    processes = (tmp_path / "processes").read_text().split()
    assert len(set(processes)) > 1 and (tmp_path / "killed").is_dir()
    last = {stage: (done, total) for stage, done, total in seen if stage.startswith("teacher")}
    assert last["teacher: sentences"] == (12, 12) and last["teacher: images"] == (5, 5)
    assert all(done == total for done, total in last.values()) and len(last) == 4
    split = load_split(TASKS["snli_ve"], config.task.data, "train", cache)
    texts = [teacher_text(example.candidates[0]) for example in split.examples]
    there = open_features(teacher, cache, split).text(texts)

    def fail(block: FeatureBlock, folder: Path) -> None:
        raise AssertionError("nothing is left to compute")

    prepare_remote([config], cache, lambda *event: None, **arguments, steps=replace(preparation(), compute=fail))
    from ablative.trainables.teachers.loading import load_teacher

    np.testing.assert_allclose(there, load_teacher(teacher, cache).encode_texts(texts), atol=1e-3)


def test_a_block_that_cannot_be_computed_ends_the_preparation_with_its_own_error(
    ray_cluster: None, tmp_path: Path
) -> None:
    from ablative.cluster.preparation import prepare_remote
    from ablative.trainables.parts.preparation import Preparation

    block = FeatureBlock(
        teacher=TrialConfig().teacher, table="texts", names=("a",), sources=("a",), image_folder="none"
    )
    with pytest.raises(ValueError, match="texts: no room on the disk"):
        prepare_remote(
            [],
            tmp_path,
            lambda *event: None,
            address="local",
            resources=Resources(),
            steps=Preparation(data=_touch, blocks=lambda configs, cache: [block] * 20, compute=_refused),
        )
