"""The teacher cache: blocks computed here, again, or killed halfway; read back against the live teacher."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ablative.progress import silent
from ablative.trainables.config import TaskConfig
from ablative.trainables.config import TeacherConfig
from ablative.trainables.config import TrialConfig
from ablative.trainables.data.load import load_split
from ablative.trainables.prepare import feature_blocks
from ablative.trainables.prepare import preparation
from ablative.trainables.prepare import prepare
from ablative.trainables.prepare import prepare_data
from ablative.trainables.students.tokens import teacher_text
from ablative.trainables.teachers import feature_blocks as blocks_module
from ablative.trainables.teachers.errors import TeacherError
from ablative.trainables.teachers.feature_blocks import compute_block
from ablative.trainables.teachers.feature_cache import TABLES
from ablative.trainables.teachers.feature_cache import features_folder
from ablative.trainables.teachers.feature_cache import open_features
from ablative.trainables.teachers.loading import load_teacher
from ablative.trainables.teachers.words import words_of
from tests.helpers.small_teachers import pictured_snli_ve
from tests.helpers.small_teachers import small_teacher
from tests.helpers.sources import IMPORT_PATH
from tests.helpers.sources import ROOT
from tests.helpers.tasks import TASKS

TOLERANCE = {"float16": 1e-3, "float32": 1e-5}
"""Greatest difference of a component of a unit vector (docs/teacher.md)."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TeacherConfig:
    return small_teacher(tmp_path_factory.mktemp("teacher") / "small")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pictured_snli_ve(tmp_path_factory.mktemp("data") / "flickr")


@pytest.fixture(scope="module")
def prepared(model: TeacherConfig, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the data and region features, and no teacher's."""
    cache = tmp_path_factory.mktemp("cache")
    prepare_data([trial(model, data)], cache, silent)
    return cache


@pytest.fixture
def cache(prepared: Path, tmp_path: Path) -> Path:
    """The prepared cache, where features of this test alone lie."""
    own = tmp_path / "cache"
    own.mkdir()
    for folder in prepared.iterdir():
        if folder.is_dir() and folder.name != "teacher_features":
            (own / folder.name).symlink_to(folder)
    return own


def trial(teacher: TeacherConfig, data: Path) -> TrialConfig:
    terms = {"image": 1.0, "text": 1.0, "tokens": 1.0}
    return TrialConfig(task=TaskConfig(name="snli_ve", data=str(data)), teacher=teacher, distillation={"terms": terms})


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float16", "float32"])
def test_cached_features_are_the_live_teachers_to_the_stated_tolerance(model, data, cache, precision):
    teacher_config = model.model_copy(update={"precision": precision})
    config = trial(teacher_config, data)
    preparation(patches=True).here([config], cache, silent)
    split = load_split(TASKS["snli_ve"], str(data), "train", cache)
    features, teacher = open_features(teacher_config, cache, split), load_teacher(teacher_config, cache)
    texts = [teacher_text(example.candidates[0]) for example in split.examples]
    images = sorted({example.image for example in split.examples})
    pictures = [Image.open(Path(split.image_folder) / image).convert("RGB") for image in images]
    pairs = [
        (features.image(images), teacher.encode_images(pictures)),
        (features.text(texts), teacher.encode_texts(texts)),
        *zip(features.words(texts, "contextual"), teacher.word_features(texts), strict=True),
        *zip(features.words(texts, "isolated"), teacher.word_features(texts, "isolated"), strict=True),
        *zip(features.patches(images), teacher.encode_patches(pictures), strict=True),
    ]
    assert len(pairs) == 2 + 2 * len(texts) + len(images)
    for cached, live in pairs:
        assert cached.dtype == precision and cached.shape == live.shape
        np.testing.assert_allclose(cached.astype(np.float32), live.numpy(), atol=TOLERANCE[precision])


def test_patches_are_computed_only_when_asked_for(model, data, cache):
    config, usual = trial(model, data), set(TABLES) - {"patches", "regions", "left_out"}
    assert {block.table for block in feature_blocks([config], cache)} == usual
    assert {block.table for block in feature_blocks([config], cache, patches=True)} == usual | {"patches"}
    image_only = TrialConfig(task=config.task, teacher=model, distillation={"terms": {"image": 1.0}})
    assert {block.table for block in feature_blocks([image_only], cache)} == {"images", "texts"}


@pytest.mark.parametrize(
    ("names", "sizes"), [(20, [20]), (900, [64] * 14 + [4]), (2000, [125] * 16), (20_000, [512] * 39 + [32])]
)
def test_what_is_little_is_cut_finer_so_that_it_is_told_how_far_it_is(names: int, sizes: list[int]) -> None:
    cut = blocks_module._cut(TeacherConfig(), "", "images", {str(number): number for number in range(names)})
    assert [block.size for block in cut] == sizes


def test_the_first_stage_is_told_before_its_first_block_is_there(model, data, cache):
    told: list[tuple[str, int]] = []
    blocks = feature_blocks([trial(model, data)], cache)
    preparation().compute_all(blocks, cache, lambda stage, done, total: told.append((stage, done)))
    assert told[0] == (blocks[0].stage, 0)


def test_what_is_there_is_not_computed_again_and_what_is_lost_alone_is(model, data, cache, monkeypatch):
    monkeypatch.setitem(blocks_module.BLOCK_SIZE, "texts", 4)
    config = trial(model, data)
    first = feature_blocks([config], cache)
    assert [len(block.names) for block in first if block.table == "texts"] == [4, 4, 4]
    for block in first:
        compute_block(block, cache)
    assert feature_blocks([config], cache) == []
    shards = sorted((features_folder(model, cache) / "texts").iterdir())
    (shards[1] / "values.npy").write_bytes(b"")
    with pytest.raises(TeacherError, match=rf"{shards[1]}: damaged"):
        feature_blocks([config], cache)
    for path in shards[1].iterdir():
        path.unlink()
    shards[1].rmdir()
    [lost] = feature_blocks([config], cache)
    assert lost in first


def test_texts_and_pictures_that_two_tasks_share_are_computed_once(model, data, cache):
    config = trial(model, data)
    names = [(block.table, name) for block in feature_blocks([config, config], cache) for name in block.names]
    assert len(names) == len(set(names)) > 0


def test_a_block_computed_twice_is_one_shard(model, data, cache):
    block = next(block for block in feature_blocks([trial(model, data)], cache) if block.table == "words")
    for _ in range(2):
        compute_block(block, cache)
    assert len(list((features_folder(model, cache) / "words").iterdir())) == 1


def test_features_of_another_teacher_in_this_ones_folder_are_refused(model, data, cache):
    for block in feature_blocks([trial(model, data)], cache):
        compute_block(block, cache)
    split = load_split(TASKS["snli_ve"], str(data), "train", cache)
    assert len(open_features(model, cache, split).texts) == 12
    facts = features_folder(model, cache) / "teacher.json"
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {"digest": "f" * 64}))
    with pytest.raises(TeacherError, match=f"{facts}: teacher f+, wanted .*; remove {facts.parent}"):
        open_features(model, cache, split)


def test_a_teacher_without_features_is_named_with_the_command_that_makes_them(model, data, cache):
    with pytest.raises(TeacherError, match=r"no features of local-dir:.*`ablate teacher cache STUDY` computes them"):
        open_features(model, cache, load_split(TASKS["snli_ve"], str(data), "train", cache))


def test_weights_that_change_in_their_folder_make_another_teacher(tmp_path):
    config = small_teacher(tmp_path / "teacher")
    before = features_folder(config, tmp_path)
    torch.save(
        {key: value + 1 for key, value in load_teacher(config, tmp_path).model.state_dict().items()},
        tmp_path / "teacher" / "open_clip_pytorch_model.bin",
    )
    assert features_folder(config, tmp_path) != before


def test_the_blank_picture_has_its_own_patches(model, data, cache):
    control = model.model_copy(update={"control": "blank_image"})
    preparation(patches=True).here([trial(control, data)], cache, silent)
    split = load_split(TASKS["snli_ve"], str(data), "train", cache)
    features = open_features(control, cache, split)
    one, other = features.patches([split.examples[0].image, split.examples[1].image])
    np.testing.assert_array_equal(one, other)
    assert one.shape == (4, 16)


def test_an_empty_text_does_not_lower_the_precision_of_the_others(model, data, cache):
    precise = model.model_copy(update={"precision": "float32"})
    prepare([trial(precise, data)], cache, silent)
    features = open_features(precise, cache, load_split(TASKS["snli_ve"], str(data), "train", cache))
    assert [rows.dtype for rows in features.words(["...", "man"], "isolated")] == [np.float32, np.float32]
    assert words_of("...") == [] and replace(features, blank=True).blank


_COMPUTE_SLOWLY = """
import sys, time
from pathlib import Path
from ablative.trainables.config import TrialConfig
from ablative.trainables.prepare import preparation
from ablative.trainables.prepare import prepare
from ablative.trainables.teachers.feature_blocks import BLOCK_SIZE
BLOCK_SIZE.update(dict.fromkeys(BLOCK_SIZE, 2))
prepare([TrialConfig.model_validate_json(sys.argv[1])], Path(sys.argv[2]), lambda *_: time.sleep(0.05))
"""


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on_and_ends_as_if_it_had_not_been(model, data, cache, monkeypatch):
    config = trial(model, data)
    command = [sys.executable, "-c", _COMPUTE_SLOWLY, config.model_dump_json(), str(cache)]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": IMPORT_PATH})
    shards = features_folder(model, cache) / "texts"
    deadline = time.monotonic() + 120
    while not list(shards.glob("shard-*")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = {path.name for path in shards.glob("shard-*")}
    monkeypatch.setattr(blocks_module, "BLOCK_SIZE", dict.fromkeys(blocks_module.BLOCK_SIZE, 2))
    left = feature_blocks([config], cache)
    assert done and 0 < sum(len(block.names) for block in left if block.table == "texts") < 12

    prepare([config], cache, silent)
    assert feature_blocks([config], cache) == []
    assert done < {path.name for path in shards.glob("shard-*")}
    split = load_split(TASKS["snli_ve"], str(data), "train", cache)
    texts = [teacher_text(example.candidates[0]) for example in split.examples]
    live = load_teacher(model, cache).encode_texts(texts).numpy()
    np.testing.assert_allclose(open_features(model, cache, split).text(texts), live, atol=TOLERANCE["float16"])
