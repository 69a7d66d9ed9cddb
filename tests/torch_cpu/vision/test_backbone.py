"""`ablate data regions`: region features of real files from a frozen backbone of timm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import save_file

from ablative.orchestrator.commands.cli import ablate
from ablative.trainables.torchvision_ops import declare_missing_ops
from ablative.trainables.vision import conversion
from ablative.trainables.vision.backbone import Backbone
from ablative.trainables.vision.regions import open_regions
from tests.unit.trainables.real_layouts import make_vcr

BACKBONE = "resnet10t"
SIDE = 64
BOXED = "film/a@0.jpg"
"""The one image of the small files whose objects are boxed."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    declare_missing_ops()
    import timm

    torch.manual_seed(3)
    model = timm.create_model(BACKBONE, pretrained=False)  # with its classifier, as published files have it
    path = tmp_path_factory.mktemp("backbone") / "weights.safetensors"
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, path)
    return path


@pytest.fixture
def vcr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ABLATE_CACHE", str(tmp_path / "cache"))
    folder = make_vcr(tmp_path / "vcr", train=60)
    rng = np.random.default_rng(0)
    (folder / "vcr1images" / "film").mkdir(exist_ok=True)
    for image in [BOXED, *(f"film/{number}@0.jpg" for number in range(60))]:
        Image.fromarray(rng.integers(0, 256, (50, 60, 3), dtype=np.uint8)).save(folder / "vcr1images" / image)
    return folder


def regions(folder: Path, checkpoint: Path, *more: str) -> Any:
    line = ["data", "regions", str(folder), "--task", "vcr", "--backbone", BACKBONE, "--checkpoint", str(checkpoint)]
    return CliRunner().invoke(ablate, [*line, "--image-size", str(SIDE), *more])


def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that fills with the images a backbone reads."""
    seen: list[str] = []
    read = Backbone._read

    def counted(self: Backbone, image: str) -> Any:
        seen.append(image)
        return read(self, image)

    monkeypatch.setattr(Backbone, "_read", counted)
    return seen


def test_regions_are_the_backbone_s_means_over_the_image_s_own_objects(
    vcr: Path, checkpoint: Path, tmp_path: Path
) -> None:
    import timm

    ended = regions(vcr, checkpoint)
    assert ended.exit_code == 0, ended.output
    found = open_regions(tmp_path / "cache", str(vcr / "vcr1images"))
    features, boxes, _ = found.read([BOXED])

    metadata = json.loads((vcr / "vcr1images" / BOXED).with_suffix(".json").read_text())
    width, height = metadata["width"], metadata["height"]
    wanted = np.asarray(metadata["boxes"])[:, :4] / [width, height, width, height]
    np.testing.assert_allclose(boxes[0, 1:, :4], wanted, atol=1e-3)
    assert boxes[0, 0, :4].tolist() == [0, 0, 1, 1]
    assert found.num_regions("film/7@0.jpg") == 1 + 6 * 6  # nothing is boxed there

    model = timm.create_model(BACKBONE, pretrained=False)
    from safetensors.torch import load_file

    model.load_state_dict(load_file(checkpoint))
    mean, std = (np.asarray(model.pretrained_cfg[name], np.float32) for name in ("mean", "std"))
    square = np.tile(mean, (SIDE, SIDE, 1))
    with Image.open(vcr / "vcr1images" / BOXED) as picture:
        scale = SIDE / max(picture.size)
        small = picture.convert("RGB").resize(
            (round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BICUBIC
        )
    square[: small.height, : small.width] = np.asarray(small, np.float32) / 255
    with torch.inference_mode():
        inputs = torch.from_numpy(((square - mean) / std).astype(np.float32)).permute(2, 0, 1)[None]
        (map_FHW,) = model.eval().forward_features(inputs).numpy()
    x1, y1, x2, y2 = wanted[0] * [small.width, small.height, small.width, small.height] / 32  # the map's cells
    shares = np.zeros(map_FHW.shape[1:])
    for row, column in np.ndindex(*shares.shape):
        down = max(0.0, min(y2, row + 1) - max(y1, row))
        across = max(0.0, min(x2, column + 1) - max(x1, column))
        shares[row, column] = down * across
    np.testing.assert_allclose(features[0, 1], (map_FHW * shares).sum((1, 2)) / shares.sum(), rtol=0.01, atol=0.01)


def test_the_same_command_computes_only_what_is_missing_or_has_changed(
    vcr: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "PER_SHARD", 20)
    seen = computed(monkeypatch)
    assert regions(vcr, checkpoint).exit_code == 0
    images = list(seen)
    assert len(set(images)) == len(images) == 61
    folder = vcr / "vcr1images" / "regions"
    first = {path.name: path.read_bytes() for path in folder.glob("*.arrow")}

    seen.clear()
    assert regions(vcr, checkpoint).exit_code == 0
    assert seen == []

    (folder / "whole.json").unlink()  # killed before its third shard
    for path in sorted(folder.glob("*.arrow"))[2:]:
        path.unlink()
    assert regions(vcr, checkpoint).exit_code == 0
    assert seen == images[40:]
    assert {path.name: path.read_bytes() for path in folder.glob("*.arrow")} == first

    seen.clear()
    changed = vcr / "vcr1images" / images[27]
    with Image.open(changed) as picture:
        Image.new("RGB", picture.size, "purple").save(changed)
    assert regions(vcr, checkpoint).exit_code == 0
    assert seen == images[20:]  # from the shard of the picture on

    seen.clear()
    assert regions(vcr, checkpoint, "--grid", "3").exit_code == 0
    assert seen == images  # other features, all of them


def test_a_wrong_backbone_checkpoint_or_size_is_one_line_with_the_remedy(vcr: Path, checkpoint: Path) -> None:
    def said(*line: str) -> str:
        ended = CliRunner().invoke(ablate, ["data", "regions", str(vcr), "--task", "vcr", *line])
        assert ended.exit_code == 2
        return ended.output.strip().splitlines()[-1]

    assert "--backbone: found 'resnet10'; did you mean 'resnet10t'?" in said("--backbone", "resnet10")
    wrong = said("--backbone", "convnext_atto", "--checkpoint", str(checkpoint))
    assert f"--checkpoint: {checkpoint} cannot be loaded into timm's convnext_atto" in wrong
    fixed = said("--backbone", "vit_tiny_patch16_224", "--image-size", "320")
    assert "--image-size: vit_tiny_patch16_224 reads 224 pixels and no others, found 320" in fixed
    assert not (vcr / "vcr1images" / "regions" / "whole.json").exists()
