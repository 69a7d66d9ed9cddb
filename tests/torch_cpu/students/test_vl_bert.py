"""VL-BERT's own layout: its checkpoint arrives whole, and its states are those of the published formulas."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from ablative.trainables.config import StudentConfig
from ablative.trainables.students.flat import FlatStudent
from ablative.trainables.students.flat import example
from ablative.trainables.students.flat import save_program
from ablative.trainables.students.kinds.vl_bert import VL_BERT_PRESETS
from ablative.trainables.students.loading import load_student
from ablative.trainables.students.single_stream import StudentBatch
from ablative.trainables.students.student import StudentModule
from ablative.trainables.students.student import build_student
from ablative.trainables.students.student import empty_student
from ablative.trainables.students.vl_bert import box_code
from tests.torch_cpu.students.published_files import REGION_WIDTH
from tests.torch_cpu.students.published_files import SMALL
from tests.torch_cpu.students.published_files import WORDS
from tests.torch_cpu.students.published_files import bert_model
from tests.torch_cpu.students.published_files import bert_tensors
from tests.torch_cpu.students.published_files import uniter_tensors
from tests.torch_cpu.students.published_files import vl_bert_tensors
from tests.torch_cpu.students.published_files import vocabulary_file

torch.set_num_threads(1)
IDS, SEGMENTS, NAMED = [101, 104, 102, 105, 107, 102], [0, 0, 0, 2, 2, 2], [-1, 2, -1, -1, 1, -1]
BOXES = [[0.0, 0.0, 1.0, 1.0], [0.1, 0.2, 0.5, 0.9], [0.3, 0.0, 0.4, 0.25]]


@pytest.fixture
def vocabulary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A vocabulary of the small checkpoints' size; the preset vl_bert_base is small meanwhile."""
    monkeypatch.setitem(VL_BERT_PRESETS, "vl_bert_base", SMALL)
    return vocabulary_file(tmp_path / "vocab.txt", ["cat", "dog", "Cat", "##s"])


def settings(vocabulary: str, init: Path | str = "scratch") -> StudentConfig:
    return StudentConfig(preset="vl_bert_base", vocabulary=vocabulary, init=str(init), dropout=0.0)


def fresh(vocabulary: str) -> StudentModule:
    torch.manual_seed(0)
    return empty_student(settings(vocabulary), head="candidates", num_classes=0, region_width=REGION_WIDTH).eval()


def batch() -> StudentBatch:
    boxes = torch.tensor(BOXES)
    sizes = boxes[:, 2:] - boxes[:, :2]
    return StudentBatch(
        ids_BL=torch.tensor([IDS]),
        segments_BL=torch.tensor([SEGMENTS]),
        references_BL=torch.tensor([NAMED]),
        text_mask_BL=torch.ones(1, len(IDS), dtype=torch.bool),
        regions_BRF=torch.randn(1, len(BOXES), REGION_WIDTH, generator=torch.Generator().manual_seed(1)),
        boxes_BR7=torch.cat([boxes, sizes, sizes.prod(dim=-1, keepdim=True)], dim=-1)[None],
        region_mask_BR=torch.ones(1, len(BOXES), dtype=torch.bool),
    )


def code(box: list[float]) -> list[float]:
    """The code of one box by the published formula, number by number."""
    x1, y1, x2, y2 = box
    found: list[float] = []
    for percent in (50 * (x1 + x2), 50 * (y1 + y2), 100 * (x2 - x1), 100 * (y2 - y1)):
        angles = [percent / 1000 ** (wave / 256) for wave in range(256)]
        found += [math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles]
    return found


def published_states(tensors: dict[str, torch.Tensor], one: StudentBatch) -> torch.Tensor:
    """Last states of words, regions and the closing row: the embedding written out row by row, then BERT's blocks."""
    inner = {name.removeprefix("module.").removeprefix("vlbert."): value for name, value in tensors.items()}

    def normed(name: str, row: torch.Tensor) -> torch.Tensor:
        weight, bias = inner[f"{name}.weight"], inner[f"{name}.bias"]
        return (row - row.mean()) / (row.var(unbiased=False) + 1e-12).sqrt() * weight + bias

    down = "image_feature_extractor.obj_downsample.1"
    looks = [
        (inner[f"{down}.weight"] @ torch.cat([torch.tensor(code(box)), features]) + inner[f"{down}.bias"]).clamp_min(0)
        for box, features in zip(BOXES, one.regions_BRF[0], strict=True)
    ]
    rows = []
    for place, (word, segment, named) in enumerate(zip(IDS, SEGMENTS, NAMED, strict=True)):
        seen = normed("visual_ln_text", looks[max(named, 0)])
        rows.append((inner["word_embeddings.weight"][word] + seen, place, 1 if segment else 0))
    for look in looks:
        seen = normed("visual_ln_object", look)
        rows.append((inner["object_linguistic_embeddings.weight"][0] + seen, len(IDS), 2))
    rows.append((inner["end_embedding.weight"][0], len(IDS) + 1, 2))
    embedded = [
        normed(
            "embedding_LayerNorm",
            row + inner["position_embeddings.weight"][place] + inner["token_type_embeddings.weight"][kind],
        )
        for row, place, kind in rows
    ]
    states: Any = bert_model().encoder(torch.stack(embedded)[None])[0]
    return states


@pytest.mark.slow  # imports transformers
@torch.inference_mode()
def test_its_states_are_those_of_the_published_formulas(tmp_path: Path, vocabulary: str) -> None:
    tensors, path = vl_bert_tensors(), tmp_path / "vl-bert-base-e2e.model"
    torch.save({"state_dict": tensors}, path)
    student = fresh(vocabulary)
    report = load_student(student, path, "vl_bert_base")

    found = student(batch())

    states = torch.cat([found.text_BLS, found.regions_BRS], dim=1)
    torch.testing.assert_close(states, published_states(tensors, batch()), atol=5e-6, rtol=5e-6)
    assert report.layout == "vl_bert" and report.faults == () and report.misfits == ()
    assert {name.split(".")[0] for name in report.missing} == {"head"}
    assert all("1x1" in name or "cls" in name for name in report.unexpected), report.unexpected


def test_a_box_is_coded_number_by_number() -> None:
    assert box_code(torch.tensor(BOXES)).numpy() == pytest.approx(
        torch.tensor([code(box) for box in BOXES]).numpy(), abs=1e-4
    )


@torch.inference_mode()
def test_from_bert_it_first_reads_what_bert_reads_whatever_the_picture(tmp_path: Path, vocabulary: str) -> None:
    path = tmp_path / "pytorch_model.bin"
    torch.save(bert_tensors(), path)
    torch.manual_seed(0)
    student = build_student(
        settings(vocabulary, path), head="candidates", num_classes=0, region_width=REGION_WIDTH
    ).eval()
    one = batch()
    looks = student.encoder.region_embedding.looks(one.regions_BRF, one.boxes_BR7)

    assert looks.abs().max() > 0
    assert torch.equal(student.encoder.region_embedding.text_norm(looks), torch.zeros_like(looks))
    assert torch.equal(
        student.encoder.text_embedding.vectors, bert_tensors()["bert.embeddings.word_embeddings.weight"]
    )


def test_from_uniter_it_takes_text_and_transformer_and_says_what_starts_fresh(tmp_path: Path, vocabulary: str) -> None:
    tensors, path = uniter_tensors(), tmp_path / "uniter-base.pt"
    torch.save(tensors, path)
    student = fresh(vocabulary)
    report = load_student(student, path, "vl_bert_base")

    types = tensors["uniter.embeddings.token_type_embeddings.weight"]
    assert torch.equal(student.encoder.text_embedding.segments.weight, types[[0, 0, 1]])
    assert report.faults == ()
    assert {name.rsplit(".", 2)[0] for name in report.missing if name.startswith("encoder.")} == {
        "encoder.region_embedding"
    }


@torch.inference_mode()
def test_its_exported_program_takes_batches_of_other_sizes(tmp_path: Path, vocabulary: str) -> None:
    student, asked = fresh(vocabulary), settings(vocabulary)
    save_program(student, asked, REGION_WIDTH, tmp_path / "student.pt2")
    ids_BL, *rest = example(asked, REGION_WIDTH, sequences=2, length=9, regions=6)
    other = (ids_BL % WORDS, *rest)

    found = torch.export.load(tmp_path / "student.pt2").module()(*other)

    torch.testing.assert_close(found, FlatStudent(student)(*other), atol=1e-5, rtol=1e-4)
