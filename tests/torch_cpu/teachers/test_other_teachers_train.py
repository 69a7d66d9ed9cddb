"""Teachers without a joint space, and from files, teach a student; what they cannot give is a mistake at check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ablative.progress import silent
from ablative.trainables.config import TeacherConfig
from ablative.trainables.config import TrialConfig
from ablative.trainables.config import contradictions
from ablative.trainables.data.load import load_split
from ablative.trainables.data.manifest import images_of
from ablative.trainables.digests import InputDigests
from ablative.trainables.identity import without_places
from ablative.trainables.job import Alone
from ablative.trainables.job import TrialJob
from ablative.trainables.prepare import prepare
from ablative.trainables.prepare import prepare_data
from ablative.trainables.students.tokens import teacher_text
from ablative.trainables.teachers.errors import TeacherError
from ablative.trainables.teachers.feature_cache import open_features
from ablative.trainables.trial import run_trial
from tests.helpers.small_folders import feature_files
from tests.helpers.small_folders import two_towers
from tests.helpers.small_teachers import pictured_snli_ve
from tests.helpers.tasks import TASKS

OPTIM = {"batch_size": 4, "min_steps": 2, "epochs": 1, "evaluations": 1}
NAIVE = {"terms": {"image": 1.0, "text": 1.0}}
WORDS = {"terms": {"tokens": 1.0}, "selection": {"score": "semantic"}}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pictured_snli_ve(tmp_path_factory.mktemp("data") / "flickr")


@pytest.fixture(scope="module")
def cache(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    cache = tmp_path_factory.mktemp("cache")
    prepare_data([trial(data, TeacherConfig(), {})], cache, silent)
    return cache


def trial(data: Path, teacher: TeacherConfig, distillation: dict[str, Any], task: str = "snli_ve") -> TrialConfig:
    content = {"task": {"name": task, "data": str(data)}, "distillation": distillation, "optim": OPTIM}
    return TrialConfig.model_validate({**content, "teacher": teacher.model_dump()})


def trained(config: TrialConfig, cache: Path) -> dict[str, float]:
    """Metrics of a trial that completes."""
    prepare([config], cache, silent)
    outcome = run_trial(TrialJob(trial_id="t", config=config, seed=1, evaluate=("val",), cache=str(cache)), Alone())
    assert outcome.status == "completed", outcome.error
    return dict(outcome.metrics)


@pytest.mark.slow
@pytest.mark.parametrize("distillation", [NAIVE, WORDS], ids=["naive", "words"])
def test_two_towers_of_different_widths_teach(
    data: Path, cache: Path, tmp_path: Path, distillation: dict[str, Any]
) -> None:
    config = trial(data, two_towers(tmp_path / "towers"), distillation)
    assert not list(contradictions(config))
    trained(config, cache)
    features = open_features(config.teacher, cache, split := load_split(TASKS["snli_ve"], str(data), "train", cache))
    if distillation is WORDS:
        texts = features.text([teacher_text(split.examples[0].candidates[0])])
        assert texts.shape[1] == features.width > 32 and not texts[:, 32:].any()
        return
    images = features.image([example.image for example in split.examples[:2]])
    assert images.shape[1] == features.width and images.any(0).sum() > 32


@pytest.mark.slow
def test_features_from_files_teach_and_pictures_are_not_looked_at(data: Path, cache: Path, tmp_path: Path) -> None:
    split = load_split(TASKS["snli_ve"], str(data), "train", cache)
    texts = list(dict.fromkeys(teacher_text(example.candidates[0]) for example in split.examples))
    teacher = feature_files(tmp_path / "own", sorted(images_of(split)), texts, widths=(6, 4))
    config = trial(data, teacher, {**NAIVE, "terms": {"image": 1.0, "text": 1.0, "tokens": 1.0},
        "selection": {"score": "keyword"}})  # fmt: skip
    assert not list(contradictions(config))
    trained(config, cache)
    features = open_features(teacher, cache, split)
    assert features.width == 6 and features.text(texts[:1]).shape == (1, 6)
    assert [rows.shape[1] for rows in features.words(texts[:2], "contextual")] == [6, 6]
    np.testing.assert_allclose(np.linalg.norm(features.image([split.examples[0].image])), 1, atol=1e-3)


@pytest.mark.slow
def test_an_image_file_alone_teaches_images_alone(data: Path, cache: Path, tmp_path: Path) -> None:
    split = load_split(TASKS["snli_ve"], str(data), "train", cache)
    both = feature_files(tmp_path / "own", sorted(images_of(split)), ["a"])
    alone = TeacherConfig.model_validate({"model": "features", "features": {"images": both.features.images}})
    config = trial(data, alone, {"terms": {"image": 1.0}, "weighting": {"confidence": "none"}})
    assert not list(contradictions(config))
    trained(config, cache)
    with_text = trial(data, alone, {"terms": {"image": 1.0, "text": 1.0}})
    found = {path: wanted for path, _, wanted in contradictions(with_text)}
    assert set(found) == {"distillation.terms.text", "distillation.weighting.confidence"}


def test_a_name_that_a_file_lacks_is_told_before_anything_is_trained(data: Path, cache: Path, tmp_path: Path) -> None:
    teacher = feature_files(tmp_path / "own", ["somewhere/else.jpg"], ["a cat"])
    message = r"images.parquet: no row for '.*' \(and \d+ more pictures of \d+\); add it"
    with pytest.raises(TeacherError, match=message):
        prepare([trial(data, teacher, {"terms": {"image": 1.0}})], cache, silent)


@pytest.mark.parametrize(
    ("distillation", "task", "paths"),
    [
        ({"terms": {"tokens": 1.0}}, "snli_ve", {"distillation.selection.score"}),
        ({"terms": {"attention": 1.0}}, "snli_ve", {"distillation.terms.attention"}),
        ({"terms": {"clip_relational": 1.0}}, "snli_ve", {"distillation.terms.clip_relational"}),
        ({"terms": {"image": 1.0}, "adaptation": {"of": "teacher"}}, "snli_ve", {"distillation.adaptation.of"}),
        ({"terms": {"image": 1.0}, "adaptation": {"of": "student"}}, "snli_ve", set()),
        ({"terms": {"image": 1.0}}, "vcr", {"distillation.weighting.confidence"}),
        ({"terms": {"image": 1.0, "rkd_distance": 1.0}}, "snli_ve", set()),
        (WORDS, "snli_ve", set()),
    ],
)
def test_what_takes_a_joint_space_is_refused_of_two_towers(
    tmp_path: Path, distillation: dict[str, Any], task: str, paths: set[str]
) -> None:
    config = trial(tmp_path, two_towers(tmp_path / "towers"), distillation, task)
    assert {path for path, _, _ in contradictions(config)} == paths
    for _, found, wanted in contradictions(config):
        assert "one space for images and texts" in found
        assert wanted == "another one, or a teacher that gives it: two_towers (teacher.model) does not"


@pytest.mark.parametrize("control", ["untrained", "blank_image"])
def test_controls_of_what_a_teacher_sees_do_not_go_with_stored_features(tmp_path: Path, control: str) -> None:
    teacher = feature_files(tmp_path / "own", ["a"], ["b"]).model_copy(update={"control": control})
    [(path, found, wanted)] = contradictions(trial(tmp_path, teacher, {"terms": {"hint": 1.0}}))
    assert (path, found) == ("teacher.control", control) and wanted.startswith("none or shuffled")


def test_an_option_that_has_to_be_given_is_named_at_check(tmp_path: Path) -> None:
    teacher = TeacherConfig(model="transformers")
    [(path, found, wanted)] = contradictions(trial(tmp_path, teacher, {"terms": {"image": 1.0}}))
    assert (path, found) == ("teacher.transformers.folder", "nothing") and "Local folder" in wanted


def test_paths_and_options_of_others_are_no_part_of_an_identity(data: Path, cache: Path, tmp_path: Path) -> None:
    config = trial(data, two_towers(tmp_path / "towers"), NAIVE)
    content = without_places(config)["teacher"]
    assert content == {"model": "two_towers", "two_towers": {"image_model": "test_efficientnet"}}
    digests = InputDigests(cache)
    pooled = config.teacher.two_towers.model_copy(update={"pooling": "cls"})
    other = config.changed(teacher=config.teacher.changed(two_towers=pooled))
    assert digests.of(config).teacher != digests.of(other).teacher
    bundled = trial(data, TeacherConfig(), NAIVE)
    odd = bundled.changed(teacher=bundled.teacher.changed(two_towers=pooled))
    assert digests.of(odd).teacher == digests.of(bundled).teacher
