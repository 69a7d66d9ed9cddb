"""What a student sees: raw patches, both, or the map of a trunk of its own."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ablative.trainables.config import OptimConfig
from ablative.trainables.config import StudentConfig
from ablative.trainables.config import TrialConfig
from ablative.trainables.config import canonical
from ablative.trainables.distillation.objective import Objective
from ablative.trainables.students.checkpoint import CheckpointError
from ablative.trainables.students.kinds.clip_vil import CLIP_VIL_PRESETS
from ablative.trainables.students.kinds.uniter import UNITER_PRESETS
from ablative.trainables.students.patches import PATCH_SIZE
from ablative.trainables.students.patches import RawPatches
from ablative.trainables.students.patches import region_means
from ablative.trainables.students.single_stream import StudentBatch
from ablative.trainables.students.student import StudentModule
from ablative.trainables.students.student import build_student
from ablative.trainables.torchvision_ops import declare_missing_ops
from ablative.trainables.training.optimizer import optimizer_of
from ablative.trainables.training.optimizer import set_rate
from ablative.trainables.training.step import TrainingStep
from ablative.trainables.vision.pooling import pooled
from ablative.trainables.vision.pooling import positions
from tests.helpers.tasks import TASKS
from tests.torch_cpu.students.published_files import SMALL

REGION_WIDTH = 1280
BOXES = np.array([[0.0, 0.0, 1.0, 1.0], [0.1, 0.2, 0.55, 0.9], [0.5, 0.5, 0.52, 0.51]])


def student(**fields: object) -> StudentModule:
    torch.manual_seed(0)
    config = StudentConfig.model_validate({"dropout": 0.0, **fields})
    return build_student(config, head="exclusive", num_classes=3, region_width=REGION_WIDTH).eval()


def batch(pictures: int = 2, copies: int = 1, seed: int = 0) -> StudentBatch:
    generator = torch.Generator().manual_seed(seed)
    sequences = pictures * copies
    boxes = torch.from_numpy(positions(BOXES)).float()
    features = torch.randn(pictures, 3, REGION_WIDTH, generator=generator)
    return StudentBatch(
        ids_BL=torch.tensor([[101, 4937, 3899, 102]]).repeat(sequences, 1),
        segments_BL=torch.zeros(sequences, 4, dtype=torch.long),
        references_BL=torch.tensor([[-1, 1, -1, -1]]).repeat(sequences, 1),
        text_mask_BL=torch.ones(sequences, 4, dtype=torch.bool),
        regions_BRF=features.repeat_interleave(copies, dim=0),
        boxes_BR7=boxes.repeat(sequences, 1, 1),
        region_mask_BR=torch.ones(sequences, 3, dtype=torch.bool),
        pixels_I3HW=torch.randint(0, 256, (pictures, 3, 224, 224), generator=generator, dtype=torch.uint8),
    )


def test_means_over_boxes_are_those_of_region_features() -> None:
    values = torch.randn(1, 5, 7, 6)
    ours = region_means(values, torch.from_numpy(BOXES).float()[None])[0]

    np.testing.assert_allclose(ours.numpy(), pooled(values[0].permute(2, 0, 1).numpy(), BOXES), atol=1e-5)


def test_a_patch_holds_the_pixels_of_its_square() -> None:
    pixels = batch().pixels_I3HW
    assert pixels is not None
    values = RawPatches()(pixels)
    square = pixels[1, :, 2 * PATCH_SIZE : 3 * PATCH_SIZE, 4 * PATCH_SIZE : 5 * PATCH_SIZE]

    assert values.shape == (2, 7, 7, 3 * PATCH_SIZE**2)
    assert torch.equal(values[1, 2, 4], (square.float() / 127.5 - 1).reshape(-1))


@pytest.mark.parametrize(("visual_input", "rows"), [("regions", 3), ("patches", 50), ("both", 52)])
@torch.inference_mode()
def test_rows_seen_are_the_whole_image_then_regions_then_patches(visual_input: str, rows: int) -> None:
    built = student(visual_input=visual_input)
    seen = built(batch()).regions_BRS

    assert seen.shape == (2, rows, 128)
    other = dataclasses.replace(batch(), pixels_I3HW=batch(seed=1).pixels_I3HW)
    assert torch.equal(built(other).logits, built(batch()).logits) == (visual_input == "regions")


@torch.inference_mode()
def test_patches_read_no_region_feature_and_know_the_box_that_text_names() -> None:
    built = student(visual_input="patches")
    plain = built(batch())
    features = dataclasses.replace(batch(), regions_BRF=batch(seed=1).regions_BRF)
    named = dataclasses.replace(batch(), references_BL=torch.tensor([[-1, 2, -1, -1]]).repeat(2, 1))

    assert torch.equal(built(features).logits, plain.logits)
    assert not torch.allclose(built(named).logits, plain.logits)
    assert not any("region_embedding" in name for name in built.state_dict())


@torch.inference_mode()
def test_patches_have_places() -> None:
    built = student(visual_input="patches")
    turned = dataclasses.replace(
        batch(), pixels_I3HW=batch().pixels_I3HW.flip(-1), references_BL=torch.full((2, 4), -1)
    )
    plain = dataclasses.replace(batch(), references_BL=torch.full((2, 4), -1))

    assert not torch.allclose(built(turned).logits, built(plain).logits)


@pytest.mark.parametrize("visual_input", ["patches", "both"])
@torch.inference_mode()
def test_candidates_of_one_picture_share_its_rows(visual_input: str) -> None:
    built = student(visual_input=visual_input)
    shared, single = built(batch(copies=4)), built(batch())

    torch.testing.assert_close(shared.logits, single.logits.repeat_interleave(4, dim=0), atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_the_bundled_trunk_gives_the_region_features_of_its_own_files() -> None:
    trained_on_files, looks = student(), student(preset="clip_vil_tiny")
    from ablative.trainables.vision.trunk import PIXEL_MEAN
    from ablative.trainables.vision.trunk import PIXEL_STD
    from ablative.trainables.vision.trunk import imagenet_trunk

    one = batch()
    assert one.pixels_I3HW is not None
    maps = imagenet_trunk()((one.pixels_I3HW.float() / 255 - PIXEL_MEAN) / PIXEL_STD).numpy()
    files = torch.from_numpy(np.stack([pooled(single, BOXES) for single in maps])).float()
    with torch.inference_mode():
        means = region_means(looks.encoder.trunk(one.pixels_I3HW), one.boxes_BR7[..., :4])
        looked = looks.encoder.region_embedding(means, one.boxes_BR7)
        read = trained_on_files.encoder.region_embedding(files, one.boxes_BR7)

    torch.testing.assert_close(looked, read, atol=2e-4, rtol=2e-4)


def test_only_students_that_look_need_pixels_and_only_theirs_have_trunk_fields() -> None:
    def config(preset: str, **fields: object) -> TrialConfig:
        return TrialConfig.model_validate(
            {"student": {"preset": preset, "trunk_model": "ViT-B-32", **fields}, "optim": {"trunk_lr_factor": 0.5}}
        )

    def looks(found: TrialConfig) -> bool:
        return found.student.part.reads_pixels(found.student)

    assert all(looks(config(name)) for name in CLIP_VIL_PRESETS)
    assert not any(looks(config(name)) for name in UNITER_PRESETS)
    assert looks(config("uniter_tiny", visual_input="patches"))
    assert canonical(config("uniter_base")) == canonical(TrialConfig(student=StudentConfig(preset="uniter_base")))
    assert canonical(config("clip_vil_base")) == config("clip_vil_base")
    tiny = canonical(config("clip_vil_tiny"))
    assert (tiny.student.trunk_model, tiny.optim.trunk_lr_factor) == ("RN50", 0.5)


VISION = {
    "vision_transformer": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "resnet_of_clip": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16},
    "timm": {"image_size": 64, "timm_model_name": "test_resnet", "timm_pool": "avg", "timm_proj": "linear"},
}


@pytest.fixture(scope="module", params=VISION)
def trunk_files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A small open_clip model that a student may name, and its checkpoint."""
    declare_missing_ops()
    import open_clip

    text = {"context_length": 8, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1}
    folder = tmp_path_factory.mktemp(request.param)
    name = f"trunk-{request.param}"
    (folder / f"{name}.json").write_text(
        json.dumps({"embed_dim": 16, "vision_cfg": VISION[request.param], "text_cfg": text})
    )
    open_clip.add_model_config(folder)
    torch.manual_seed(7)
    torch.save(open_clip.create_model(name).state_dict(), folder / "trunk.pt")
    return {"trunk_model": name, "trunk_checkpoint": str(folder / "trunk.pt")}


@pytest.fixture
def small_clip_vil(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CLIP_VIL_PRESETS, "clip_vil_base", dataclasses.replace(SMALL, trunk="open_clip"))


@pytest.mark.slow
@pytest.mark.parametrize("visual_input", ["regions", "both"])
def test_a_trunk_of_open_clip_learns_at_its_own_rate(
    trunk_files: dict[str, str], small_clip_vil: None, visual_input: str
) -> None:
    built = student(preset="clip_vil_base", init="scratch", visual_input=visual_input, **trunk_files)
    step = TrainingStep(
        TASKS["snli_ve"], built, Objective(TrialConfig().distillation, built.width, (), num_examples=2, seed=0)
    )
    optimizer = optimizer_of(step, OptimConfig(trunk_lr_factor=0.5, head_lr_factor=3.0), trunk="encoder.trunk.")
    before = {name: value.clone() for name, value in built.encoder.trunk.named_parameters()}
    statistics = {name: value.clone() for name, value in built.encoder.trunk.named_buffers()}
    targets, losses = torch.eye(3)[[0, 2]], []
    built.train()
    for _ in range(6):
        set_rate(optimizer, 2e-3)
        loss = torch.nn.functional.cross_entropy(built(batch()).logits, targets)
        optimizer.zero_grad()
        loss.backward()
        trained = {name for name, value in built.encoder.trunk.named_parameters() if value.requires_grad}
        assert all(value.grad is not None for value in built.encoder.trunk.parameters() if value.requires_grad)
        optimizer.step()
        losses.append(float(loss.detach()))

    assert {group["lr"] for group in optimizer.param_groups} == {2e-3, 1e-3, 6e-3}
    assert losses[-1] < losses[0]
    moved = {name for name, value in built.encoder.trunk.named_parameters() if not torch.equal(value, before[name])}
    assert moved and moved <= trained
    assert all(torch.equal(value, statistics[name]) for name, value in built.encoder.trunk.named_buffers())


def test_a_trunk_without_weights_says_what_to_give(small_clip_vil: None) -> None:
    with pytest.raises(CheckpointError, match=r"student\.trunk_checkpoint: clip_vil_base has no weights for RN50"):
        student(preset="clip_vil_base", init="scratch")
    with pytest.raises(CheckpointError, match=r"student\.trunk_model: found 'RN5'"):
        student(preset="clip_vil_base", init="scratch", trunk_model="RN5")


def test_a_file_that_is_no_trunk_is_named(small_clip_vil: None, tmp_path: Path) -> None:
    path = tmp_path / "broken.pt"
    path.write_bytes(b"nothing")

    with pytest.raises(CheckpointError, match=r"student\.trunk_checkpoint: .*broken\.pt cannot be loaded into RN50"):
        student(preset="clip_vil_base", init="scratch", trunk_checkpoint=str(path))
