"""Folders of transformers, against transformers' own pipeline; and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize

from ablative.testing.teachers import TEXTS
from ablative.testing.teachers import pictures
from ablative.trainables.config import TeacherConfig
from ablative.trainables.teachers.errors import TeacherError
from ablative.trainables.teachers.loading import load_teacher
from tests.helpers.small_folders import clip_folder
from tests.helpers.small_folders import siglip_folder

MAKERS: dict[str, Callable[[Path], TeacherConfig]] = {"clip": clip_folder, "siglip": siglip_folder}


@pytest.mark.parametrize("kind", MAKERS)
def test_features_are_those_of_transformers_own_pipeline(kind: str, tmp_path: Path) -> None:
    config = MAKERS[kind](tmp_path / kind)
    import transformers

    folder = str(tmp_path / kind)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer, processor = (
        maker.from_pretrained(folder) for maker in (transformers.AutoTokenizer, transformers.AutoImageProcessor)
    )
    padding = "max_length" if kind == "siglip" else True
    read = tokenizer(TEXTS, padding=padding, max_length=24, truncation=True, return_tensors="pt")
    if kind == "siglip":
        del read["attention_mask"]
    del read["token_type_ids"]
    seen = pictures(config)
    with torch.no_grad():
        texts = model.get_text_features(**read).pooler_output
        images = model.get_image_features(**processor(images=list(seen), return_tensors="pt")).pooler_output
    teacher = load_teacher(config, tmp_path)

    torch.testing.assert_close(teacher.encode_texts(TEXTS), normalize(texts, dim=-1), atol=1e-5, rtol=0)
    torch.testing.assert_close(teacher.encode_images(seen), normalize(images, dim=-1), atol=1e-5, rtol=0)
    assert teacher.logit_scale == pytest.approx(float(model.logit_scale.detach().exp()))


def test_a_word_is_the_projected_state_of_its_tokens(tmp_path: Path) -> None:
    teacher = load_teacher(clip_folder(tmp_path / "clip"), tmp_path)
    ids = teacher.tokenizer(["red fox"])
    _, states = teacher.model.encode_text(ids)
    torch.testing.assert_close(teacher.word_features(["red fox"])[0], normalize(states[0, 1:3], dim=-1))


def test_a_model_of_another_kind_is_refused_by_its_type(tmp_path: Path) -> None:
    config = clip_folder(tmp_path / "clip")
    change(tmp_path / "clip" / "config.json", model_type="bert")
    with pytest.raises(TeacherError, match=r"folder: .*clip holds a model of type 'bert'; wanted one of clip, siglip"):
        load_teacher(config, tmp_path)


def test_code_in_a_folder_is_not_run(tmp_path: Path) -> None:
    config = clip_folder(tmp_path / "clip")
    ran = tmp_path / "ran"
    (tmp_path / "clip" / "evil.py").write_text(f"open({str(ran)!r}, 'w')\nclass Evil: pass\n")
    for name, auto in (("config.json", "AutoModel"), ("tokenizer_config.json", "AutoTokenizer"),
                       ("preprocessor_config.json", "AutoImageProcessor")):  # fmt: skip
        change(tmp_path / "clip" / name, auto_map={auto: "evil.Evil", "AutoConfig": "evil.Evil"})
    try:
        load_teacher(config, tmp_path)
    except TeacherError:
        pass
    assert not ran.exists()


def test_weights_as_a_pickle_are_not_read(tmp_path: Path) -> None:
    config = clip_folder(tmp_path / "clip")
    weights = tmp_path / "clip" / "model.safetensors"
    weights.rename(weights.with_name("pytorch_model.bin"))
    with pytest.raises(TeacherError, match=r"clip cannot be loaded: .*; wanted config.json, model.safetensors, "):
        load_teacher(config, tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "preprocessor_config.json", "config.json"])
def test_damaged_or_missing_files_are_one_sentence(name: str, tmp_path: Path) -> None:
    config = clip_folder(tmp_path / "clip")
    (tmp_path / "clip" / name).write_bytes(b"\x00{broken")
    with pytest.raises(TeacherError, match=r"^teacher\.transformers\.folder: "):
        load_teacher(config, tmp_path)


def test_a_weight_that_is_missing_is_named(tmp_path: Path) -> None:
    from safetensors.torch import load_file
    from safetensors.torch import save_file

    config, path = clip_folder(tmp_path / "clip"), tmp_path / "clip" / "model.safetensors"
    tensors = load_file(path)
    del tensors["text_projection.weight"]
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(TeacherError, match=r"without text_projection.weight"):
        load_teacher(config, tmp_path)


def test_a_folder_has_to_be_given(tmp_path: Path) -> None:
    with pytest.raises(TeacherError, match=r"teacher.transformers.folder: nothing; give it"):
        load_teacher(TeacherConfig(model="transformers"), tmp_path)


def change(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
