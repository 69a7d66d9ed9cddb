"""OpenAI's TorchScript archives, made here of a tiny model with the same layout, against open_clip's own loader."""

from __future__ import annotations

import json
import pickle
import shutil
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image

from ablative.trainables.config import TeacherConfig
from ablative.trainables.strangers import parsing
from ablative.trainables.teachers.archives import is_archive
from ablative.trainables.teachers.archives import read_archive
from ablative.trainables.teachers.digest import teacher_digest
from ablative.trainables.teachers.errors import TeacherError
from ablative.trainables.teachers.loading import load_teacher
from ablative.trainables.torchvision_ops import declare_missing_ops
from tests.helpers.damage import damaged

declare_missing_ops()

NAME = "tiny-openai"
SHAPE = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "head_width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1},
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A QuickGELU model in half precision, traced, with the three sizes that OpenAI's archives hold."""
    import open_clip

    folder = tmp_path_factory.mktemp("openai")
    for name, quick in ((NAME, False), (f"{NAME}-quickgelu", True)):
        (folder / f"{name}.json").write_text(json.dumps(SHAPE | {"quick_gelu": quick}))
    open_clip.add_model_config(folder)
    return _save(folder / "ViT-tiny.pt", quick_gelu=True, sizes=True)


def _save(path: Path, *, quick_gelu: bool, sizes: bool) -> Path:
    from open_clip import CLIP
    from open_clip.model import convert_weights_to_fp16

    torch.manual_seed(7)
    model = CLIP(**SHAPE, quick_gelu=quick_gelu, cast_dtype=torch.float16).eval()
    convert_weights_to_fp16(model)
    model.attn_mask = model._buffers.pop("attn_mask")  # no weight in OpenAI's archives
    for name, value in {"input_resolution": 32, "context_length": 24, "vocab_size": 49408}.items() if sizes else ():
        model.__dict__.pop(name, None)
        model.register_buffer(name, torch.tensor(value))
    inputs = (torch.zeros(1, 3, 32, 32).half(), torch.zeros(1, 24, dtype=torch.long))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(model, inputs, check_trace=False)
    traced.save(str(path))
    return path


def test_an_archive_gives_the_features_that_open_clip_itself_makes_of_it(archive, caplog):
    import open_clip

    own = load_teacher(TeacherConfig(model=f"{NAME}-quickgelu", checkpoint=str(archive)), Path("unused"))
    assert caplog.text == ""  # open_clip would say that the weights are random
    other = open_clip.load_openai_model(str(archive), precision="fp32", device="cpu").eval()
    picture = Image.effect_mandelbrot((48, 40), (-3, -2.5, 2, 2.5), 60).convert("RGB")
    pixels = own.preprocess(picture)[None]
    ids = own.tokenizer(["a red fox", "a tree"])
    with torch.no_grad():
        torch.testing.assert_close(own.model.encode_image(pixels), other.encode_image(pixels))
        torch.testing.assert_close(own.model.encode_text(ids), other.encode_text(ids))
    assert own.logit_scale == pytest.approx(other.logit_scale.exp().item())


def test_every_weight_is_the_one_that_torch_reads(archive):
    expected = torch.jit.load(str(archive)).state_dict()
    weights = read_archive(archive).weights
    assert {w.dtype for w in weights.values()} == {torch.float16, torch.float32}
    assert weights.keys() == {k for k in expected if not k.endswith(("resolution", "length", "vocab_size"))}
    assert all(torch.equal(value, expected[name]) for name, value in weights.items())


def test_the_wrong_activation_is_named_with_the_model_that_has_the_right_one(archive, tmp_path):
    with pytest.raises(
        TeacherError, match=f"{NAME} uses GELU, but .* trained with QuickGELU; wanted teacher.model: {NAME}-quickgelu"
    ):
        load_teacher(TeacherConfig(model=NAME, checkpoint=str(archive)), tmp_path)
    plain = _save(tmp_path / "gelu.pt", quick_gelu=False, sizes=False)
    with pytest.raises(TeacherError, match=f"{NAME}-quickgelu uses QuickGELU, .* GELU; wanted teacher.model: {NAME}$"):
        load_teacher(TeacherConfig(model=f"{NAME}-quickgelu", checkpoint=str(plain)), tmp_path)
    assert load_teacher(TeacherConfig(model=NAME, checkpoint=str(plain)), tmp_path).reads_region_trunk is False


def test_a_checkpoint_that_a_configuration_lies_beside_is_held_to_its_activation(archive, tmp_path):
    torch.save(read_archive(archive).weights, tmp_path / "weights.pt")
    config = TeacherConfig(model=NAME, checkpoint=str(tmp_path / "weights.pt"))
    assert load_teacher(config, tmp_path).reads_region_trunk is False  # a bare state dict does not say
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": {"quick_gelu": True}}))
    with pytest.raises(TeacherError, match=f"wanted teacher.model: {NAME}-quickgelu"):
        load_teacher(config, tmp_path)


class Payload:
    """Unpickling one writes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self.target,))


def _with_record(archive: Path, target: Path, record: str, content: bytes) -> Path:
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(target, "w") as copy:
        for entry in source.infolist():
            inside = entry.filename.partition("/")[2]
            copy.writestr(entry.filename, content if inside == record else source.read(entry))
    return target


def test_code_inside_an_archive_is_not_run(archive, tmp_path):
    hostile = _with_record(archive, tmp_path / "hostile.pt", "data.pkl", pickle.dumps(Payload(tmp_path / "ran")))
    assert is_archive(hostile)
    with pytest.raises(TeacherError, match=r"hostile.pt cannot be loaded .* in a TorchScript archive; wanted modules"):
        load_teacher(TeacherConfig(model=f"{NAME}-quickgelu", checkpoint=str(hostile)), tmp_path)
    assert not (tmp_path / "ran").exists()


def test_the_program_of_an_archive_plays_no_part(archive, tmp_path):
    with zipfile.ZipFile(archive) as file:
        code = [name.partition("/")[2] for name in file.namelist() if name.endswith(".py")]
    broken = archive
    for number, name in enumerate(code):
        broken = _with_record(broken, tmp_path / f"broken-{number % 2}.pt", name, b"not a program")
    with pytest.raises(RuntimeError):
        torch.jit.load(str(broken))
    config = TeacherConfig(model=f"{NAME}-quickgelu", checkpoint=str(broken))
    assert load_teacher(config, tmp_path).encode_texts(["a fox"]).shape == (1, 16)


def test_a_storage_shorter_than_its_tensor_is_refused(archive, tmp_path):
    short = _with_record(archive, tmp_path / "short.pt", "data/0", b"\0" * 8)
    with pytest.raises(TeacherError, match=r"short.pt cannot be loaded"):
        load_teacher(TeacherConfig(model=f"{NAME}-quickgelu", checkpoint=str(short)), tmp_path)


def test_weights_of_another_shape_are_refused(archive, small_models):
    with pytest.raises(TeacherError, match=r"cannot be loaded into small-quick"):
        load_teacher(TeacherConfig(model=small_models["quick"], checkpoint=str(archive)), Path("unused"))


def test_the_digest_follows_the_bytes_of_the_archive_and_the_precision(archive, tmp_path):
    copy = shutil.copy(archive, tmp_path / "copy.pt")
    config = TeacherConfig(model=NAME, checkpoint=str(archive))
    same = config.model_copy(update={"checkpoint": str(copy)})
    assert teacher_digest(config, tmp_path) == teacher_digest(same, tmp_path)
    assert teacher_digest(config, tmp_path) != teacher_digest(
        config.model_copy(update={"precision": "float32"}), tmp_path
    )
    with Path(copy).open("ab") as file:
        file.write(b"\0")
    assert teacher_digest(config, tmp_path) != teacher_digest(same, tmp_path)


def test_siglip_reads_pixels_as_it_was_published_and_clip_as_before():
    from open_clip.constants import OPENAI_DATASET_MEAN

    from ablative.trainables.teachers.openclip import _published_preprocessing

    assert _published_preprocessing("ViT-B-16-SigLIP")["image_mean"] == [0.5, 0.5, 0.5]
    assert _published_preprocessing("ViT-B-16-SigLIP")["image_resize_mode"] == "squash"
    assert _published_preprocessing("ViT-B-32")["image_mean"] == list(OPENAI_DATASET_MEAN)
    assert _published_preprocessing("a model of one's own") == {}


@pytest.mark.parametrize(("pictures", "lit"), [("published", 0), ("padded", 8 * 8), ("squashed", 8 * 32)])
def test_a_wide_frame_loses_its_sides_as_clip_was_published_and_keeps_them_padded_or_squashed(
    archive: Path, pictures: str, lit: int
) -> None:
    teacher = load_teacher(TeacherConfig.model_validate(_named(archive, pictures)), Path("unused"))
    frame = Image.new("RGB", (128, 32), "black")  # of which a centre crop keeps the middle quarter
    frame.paste("red", (0, 0, 32, 32))
    frame.paste("blue", (96, 0, 128, 32))
    seen = teacher.preprocess(frame)
    bright = (seen > seen.amin(dim=(1, 2), keepdim=True) + 1.0).sum(dim=(1, 2))
    assert seen.shape == (3, 32, 32)
    assert bright.tolist() == pytest.approx([lit, 0, lit], abs=16), "red, green and blue"


def test_how_pictures_reach_a_teacher_is_in_its_digest_where_it_is_not_as_published(
    archive: Path, tmp_path: Path
) -> None:
    plain = TeacherConfig(model=f"{NAME}-quickgelu", checkpoint=str(archive))
    digests = {
        pictures: teacher_digest(TeacherConfig.model_validate(_named(archive, pictures)), tmp_path)
        for pictures in ("published", "padded", "squashed")
    }
    assert digests["published"] == teacher_digest(plain, tmp_path)
    assert len(set(digests.values())) == 3


def _named(archive: Path, pictures: str) -> dict[str, Any]:
    return {"model": f"{NAME}-quickgelu", "checkpoint": str(archive), "open_clip": {"pictures": pictures}}


def test_openais_weights_are_asked_for_under_the_name_that_has_their_activation() -> None:
    from open_clip.pretrained import get_pretrained_cfg

    for study in sorted(Path("search_spaces").glob("clip_td_*.yaml")):
        teacher = yaml.safe_load(study.read_text())["base"]["teacher"]
        assert get_pretrained_cfg(teacher["model"].removesuffix("-quickgelu"), "openai")["quick_gelu"]
        assert teacher["model"].endswith("-quickgelu"), study


def test_a_damaged_archive_is_read_or_refused(archive, tmp_path):
    target, refused = tmp_path / "damaged.pt", 0
    for content in damaged(_without_program(archive, tmp_path / "small.pt").read_bytes(), 200):
        target.write_bytes(content)
        try:
            with parsing(str(target), "get it again", TeacherError):
                assert not is_archive(target) or read_archive(target).weights is not None
        except TeacherError as error:
            refused += 1
            assert str(error).isprintable() and len(str(error)) < 600
    assert refused > 20


def _without_program(archive: Path, target: Path) -> Path:
    """The archive with storages of a few bytes, so that damage hits more than numbers."""
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(target, "w") as copy:
        for entry in source.infolist():
            if "/code/" not in entry.filename:
                copy.writestr(entry.filename, source.read(entry)[: 40_000 if entry.filename.endswith(".pkl") else 64])
    return target


@pytest.mark.parametrize("content", [b"", b"PK\5\6" + bytes(18), b"PK\5\6" + b"\xff" * 18, b"\x80\2]((."])
def test_a_damaged_teacher_is_refused_in_one_line(archive, tmp_path, content):
    (tmp_path / "w.pt").write_bytes(content)
    with pytest.raises(
        TeacherError, match=r"^teacher\.checkpoint: .*w\.pt cannot be loaded into .*; wanted this model's"
    ):
        load_teacher(TeacherConfig(model=NAME, checkpoint=str(tmp_path / "w.pt")), tmp_path)


@pytest.mark.parametrize(
    "value", [torch.tensor(1j), torch.tensor(torch.nan), torch.tensor(1), torch.tensor(1.0, device="meta")]
)
def test_what_is_no_weight_does_not_become_one_of_a_teacher(archive, tmp_path, value):
    torch.save(read_archive(archive).weights | {"logit_scale": value}, tmp_path / "w.pt")
    with pytest.raises(TeacherError, match=r"logit_scale is .*no weight of finite"):
        load_teacher(TeacherConfig(model=f"{NAME}-quickgelu", checkpoint=str(tmp_path / "w.pt")), tmp_path)


@pytest.mark.parametrize(
    "hostile",
    [
        b"\x80\2]r\xff\xff\xff\x0f.",  # an entry of the memo that would take 2 GiB
        b"\x80\2c__torch__\nM\n)\x81q\0}X\1\0\0\0aq\1h\0sb.",  # a module that holds itself
    ],
)
def test_few_bytes_of_an_archive_take_neither_memory_nor_time(archive, tmp_path, hostile):
    path = _with_record(archive, tmp_path / "hostile.pt", "data.pkl", hostile)
    with pytest.raises(pickle.UnpicklingError, match=r"entry 268435455 of a memo|modules"):
        read_archive(path)
