"""Loading a teacher by its configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ablative.trainables.config import TeacherConfig
from ablative.trainables.teachers.errors import TeacherError
from ablative.trainables.teachers.loading import load_teacher

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def checkpoint(small_models: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    import open_clip

    torch.manual_seed(5)
    model = open_clip.create_model(small_models["plain"])
    path = tmp_path_factory.mktemp("checkpoint") / "small.pt"
    torch.save(model.state_dict(), path)
    return path


def test_a_local_checkpoint_gives_its_own_weights(small_models, checkpoint):
    teacher = load_teacher(TeacherConfig(model=small_models["plain"], checkpoint=str(checkpoint)), Path("unused"))
    saved = torch.load(checkpoint, weights_only=True)
    assert all(torch.equal(value, saved[name]) for name, value in teacher.model.state_dict().items())


def test_the_untrained_control_ignores_the_checkpoint_and_is_the_same_every_time(small_models, checkpoint):
    config = TeacherConfig(model=small_models["plain"], checkpoint=str(checkpoint), control="untrained")
    state = torch.random.get_rng_state()
    first = load_teacher(config, Path("unused")).model.state_dict()
    torch.manual_seed(99)
    second = load_teacher(config, Path("unused")).model.state_dict()
    saved = torch.load(checkpoint, weights_only=True)
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert not torch.equal(first["text_projection"], saved["text_projection"])
    torch.random.set_rng_state(state)


def test_loading_leaves_the_global_generator_alone(small_models):
    before = torch.random.get_rng_state()
    load_teacher(TeacherConfig(model=small_models["plain"], control="untrained"), Path("unused"))
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_mistyped_model_is_answered_with_the_nearest_name():
    with pytest.raises(TeacherError, match=r"teacher.model: found 'ViT-B32'; did you mean 'ViT-B-32'"):
        load_teacher(TeacherConfig(model="ViT-B32"), Path("unused"))


def test_a_model_without_weights_asks_for_a_checkpoint(small_models):
    with pytest.raises(TeacherError, match=r"teacher.checkpoint: small-plain has no weights"):
        load_teacher(TeacherConfig(model=small_models["plain"]), Path("unused"))


@pytest.mark.parametrize("content", [b"not a checkpoint", b""])
def test_a_file_that_is_no_checkpoint_is_named(small_models, tmp_path, content):
    path = tmp_path / "broken.pt"
    path.write_bytes(content)
    with pytest.raises(TeacherError, match=r"teacher.checkpoint: .*broken.pt cannot be loaded into small-plain"):
        load_teacher(TeacherConfig(model=small_models["plain"], checkpoint=str(path)), Path("unused"))


def test_weights_of_another_model_are_refused(small_models, checkpoint):
    with pytest.raises(TeacherError, match=r"cannot be loaded into small-bert"):
        load_teacher(TeacherConfig(model=small_models["bert"], checkpoint=str(checkpoint)), Path("unused"))


class Payload:
    """Unpickling one writes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self.target,))


def test_code_inside_a_checkpoint_is_not_run(small_models, tmp_path):
    torch.save({"weights": Payload(tmp_path / "ran")}, tmp_path / "hostile.pt")
    with pytest.raises(TeacherError, match=r"hostile.pt cannot be loaded"):
        load_teacher(TeacherConfig(model=small_models["plain"], checkpoint=str(tmp_path / "hostile.pt")), tmp_path)
    assert not (tmp_path / "ran").exists()


def test_the_bundled_teacher_takes_no_checkpoint():
    with pytest.raises(TeacherError, match="mini_dual_encoder has none"):
        load_teacher(TeacherConfig(checkpoint="x.pt"), Path("unused"))


@pytest.mark.slow
def test_a_shipped_open_clip_model_builds_and_encodes_words():
    teacher = load_teacher(TeacherConfig(model="ViT-B-32", control="untrained"), Path("unused"))
    assert [rows.shape for rows in teacher.word_features(["a photo of a cat"])] == [(5, 512)]
