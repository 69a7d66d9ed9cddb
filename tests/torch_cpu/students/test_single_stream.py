"""The single-stream encoder: what it may see, and what it keeps."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import nn

from ablative.trainables.config import StudentConfig
from ablative.trainables.errors import MissingData
from ablative.trainables.students.checkpoint import CheckpointError
from ablative.trainables.students.checkpoint import save_encoder
from ablative.trainables.students.kinds.uniter import UNITER_PRESETS
from ablative.trainables.students.loading import load_student
from ablative.trainables.students.single_stream import SingleStream
from ablative.trainables.students.single_stream import StudentBatch
from ablative.trainables.students.student import build_student

REGION_WIDTH = 24
TINY = UNITER_PRESETS["uniter_tiny"]


@pytest.fixture(scope="module")
def encoder() -> SingleStream:
    torch.manual_seed(0)
    return SingleStream(TINY, REGION_WIDTH, 0.0).eval()


def batch(seed: int = 0, *, references: tuple[int, ...] = (-1, -1, -1, -1)) -> StudentBatch:
    generator = torch.Generator().manual_seed(seed)
    return StudentBatch(
        ids_BL=torch.tensor([[101, 4937, 3899, 102]]),
        segments_BL=torch.zeros(1, 4, dtype=torch.long),
        references_BL=torch.tensor([references]),
        text_mask_BL=torch.ones(1, 4, dtype=torch.bool),
        regions_BRF=torch.randn(1, 3, REGION_WIDTH, generator=generator),
        boxes_BR7=torch.rand(1, 3, 7, generator=generator),
        region_mask_BR=torch.ones(1, 3, dtype=torch.bool),
    )


def padded(one: StudentBatch) -> StudentBatch:
    def wider(value: torch.Tensor, fill: float) -> torch.Tensor:
        extra = torch.full((1, 2, *value.shape[2:]), fill, dtype=value.dtype)
        return torch.cat([value, extra], dim=1)

    return StudentBatch(
        ids_BL=wider(one.ids_BL, 7),
        segments_BL=wider(one.segments_BL, 0),
        references_BL=wider(one.references_BL, -1),
        text_mask_BL=wider(one.text_mask_BL, False),
        regions_BRF=wider(one.regions_BRF, 9.0),
        boxes_BR7=wider(one.boxes_BR7, 9.0),
        region_mask_BR=wider(one.region_mask_BR, False),
    )


def test_padding_changes_no_state(encoder: SingleStream) -> None:
    text, regions = encoder(batch())
    text_padded, regions_padded = encoder(padded(batch()))

    torch.testing.assert_close(text_padded[:, :4], text)
    torch.testing.assert_close(regions_padded[:, :3], regions)


def test_the_text_state_depends_on_the_regions(encoder: SingleStream) -> None:
    text, _ = encoder(batch(0))
    other, _ = encoder(dataclasses.replace(batch(0), regions_BRF=batch(1).regions_BRF))

    assert not torch.allclose(text[:, 0], other[:, 0])


def test_a_tag_is_grounded_in_the_region_it_names(encoder: SingleStream) -> None:
    first, _ = encoder(batch(references=(-1, 1, -1, -1)))
    second, _ = encoder(batch(references=(-1, 2, -1, -1)))

    assert not torch.allclose(first, second)


def _embedded(tags: str, references: tuple[int, ...]) -> torch.Tensor:
    """What the text embedding makes of words and tags alone, before its layer norm, with published word norms."""
    preset = UNITER_PRESETS["uniter_base"]
    torch.manual_seed(0)
    encoder = SingleStream(preset, REGION_WIDTH, 0.0, num_words=5000, tags=tags).eval()
    text = encoder.text_embedding
    with torch.no_grad():
        text.vectors *= 1.4 / text.vectors.norm(dim=-1).mean()  # of BERT
        text.positions.weight.zero_()
        text.segments.weight.zero_()
    text.norm = nn.Identity()  # type: ignore[assignment]
    one = batch(references=references)
    embedded: torch.Tensor = text(one, encoder.region_embedding(one.regions_BRF, one.boxes_BR7))
    return embedded


@pytest.mark.parametrize(
    ("tags", "least", "most"), [("scaled", 0.6, 0.8), ("none", 0.999, 1.001), ("unscaled", 0, 0.1)]
)
def test_a_word_is_still_to_be_heard_beside_the_region_that_it_names(tags: str, least: float, most: float) -> None:
    plain, tagged = _embedded(tags, (-1, -1, -1, -1)), _embedded(tags, (-1, 1, -1, -1))
    cosine = nn.functional.cosine_similarity(plain[0, 1], tagged[0, 1], dim=0).item()
    assert least <= cosine <= most
    assert torch.equal(plain[0, 2], tagged[0, 2]), "a word without a tag is as it was"


def test_uniters_own_layout_adds_no_region_to_a_word_and_small_students_do() -> None:
    assert {name: preset.tags for name, preset in UNITER_PRESETS.items()} == {
        "uniter_tiny": "scaled",
        "uniter_small": "scaled",
        "uniter_base": "none",
        "uniter_large": "none",
    }


def test_frozen_word_vectors_are_neither_trained_nor_saved(encoder: SingleStream) -> None:
    assert "text_embedding.vectors" not in encoder.state_dict()
    assert not any("vectors" in name for name, _ in encoder.named_parameters())


def test_a_checkpoint_brings_the_encoder_back(encoder: SingleStream, tmp_path: Path) -> None:
    path = tmp_path / "encoder.safetensors"
    save_encoder(encoder, path, {"preset": "uniter_tiny"})
    other = SingleStream(TINY, REGION_WIDTH, 0.0).eval()
    load_student(nn.ModuleDict({"encoder": other}), path, "uniter_tiny")

    for name, value in encoder.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value, atol=1e-3, rtol=1e-3)


def test_a_checkpoint_of_another_shape_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_encoder(SingleStream(TINY, REGION_WIDTH + 1, 0.0), path, {})
    student = nn.ModuleDict({"encoder": SingleStream(TINY, REGION_WIDTH, 0.0)})

    with pytest.raises(CheckpointError, match=r"other\.safetensors.*uniter_tiny.*1 tensors differ.*region_embedding"):
        load_student(student, path, "uniter_tiny")


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.safetensors"
    path.write_text("not tensors")

    with pytest.raises(CheckpointError, match="cannot be read as weights alone: SafetensorError"):
        load_student(nn.ModuleDict({"encoder": SingleStream(TINY, REGION_WIDTH, 0.0)}), path, "uniter_tiny")


def test_a_preset_without_a_shipped_checkpoint_says_what_to_do() -> None:
    config = StudentConfig(preset="uniter_small", init="pretrained")

    with pytest.raises(MissingData, match=r"student\.init: no weights of 'uniter_small'.*or scratch"):
        build_student(config, head="independent", num_classes=3, region_width=REGION_WIDTH)


def test_the_base_preset_has_uniters_size() -> None:
    with torch.device("meta"):
        base = SingleStream(UNITER_PRESETS["uniter_base"], 2048, 0.1)
    blocks = sum(parameter.numel() for parameter in base.blocks.parameters())

    assert blocks == 12 * (4 * (768 * 768 + 768) + 2 * 768 * 3072 + 3072 + 768 + 4 * 768)
