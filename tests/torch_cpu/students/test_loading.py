"""Published checkpoints: every weight where it belongs, and every one that is not used named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from ablative.orchestrator.commands.cli import ablate
from ablative.trainables.config import StudentConfig
from ablative.trainables.students.checkpoint import CheckpointError
from ablative.trainables.students.checkpoint import read_tensors
from ablative.trainables.students.kinds.uniter import UNITER_PRESETS
from ablative.trainables.students.loading import LoadReport
from ablative.trainables.students.loading import load_student
from ablative.trainables.students.single_stream import StudentBatch
from ablative.trainables.students.student import StudentModule
from ablative.trainables.students.student import build_student
from ablative.trainables.students.student import empty_student
from tests.helpers.answers import checked_answer
from tests.torch_cpu.students.published_files import REGION_WIDTH
from tests.torch_cpu.students.published_files import SMALL
from tests.torch_cpu.students.published_files import WORDS
from tests.torch_cpu.students.published_files import bert_model
from tests.torch_cpu.students.published_files import bert_tensors
from tests.torch_cpu.students.published_files import uniter_tensors
from tests.torch_cpu.students.published_files import vl_bert_tensors
from tests.torch_cpu.students.published_files import vocabulary_file

torch.set_num_threads(1)


@pytest.fixture
def vocabulary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A vocabulary of the small checkpoints' size; the preset uniter_base is small meanwhile."""
    monkeypatch.setitem(UNITER_PRESETS, "uniter_base", SMALL)
    return vocabulary_file(tmp_path / "vocab.txt", ["cat", "dog", "Cat", "##s"])


def config(vocabulary: str, init: Path | str = "scratch") -> StudentConfig:
    return StudentConfig(preset="uniter_base", vocabulary=vocabulary, init=str(init), dropout=0.0)


def loaded(path: Path, vocabulary: str) -> tuple[StudentModule, LoadReport]:
    torch.manual_seed(0)
    student = empty_student(config(vocabulary), head="independent", num_classes=3, region_width=REGION_WIDTH)
    return student.eval(), load_student(student, path, "uniter_base")


def saved(tensors: object, path: Path) -> Path:
    torch.save(tensors, path)
    return path


def text_only(ids: list[int], segment: int = 0) -> StudentBatch:
    length = len(ids)
    return StudentBatch(
        ids_BL=torch.tensor([ids]),
        segments_BL=torch.full((1, length), segment),
        references_BL=torch.full((1, length), -1),
        text_mask_BL=torch.ones(1, length, dtype=torch.bool),
        regions_BRF=torch.zeros(1, 1, REGION_WIDTH),
        boxes_BR7=torch.zeros(1, 1, 7),
        region_mask_BR=torch.zeros(1, 1, dtype=torch.bool),
    )


@pytest.mark.slow  # imports transformers
@torch.inference_mode()
def test_on_text_alone_a_loaded_student_is_transformers_bert(tmp_path: Path, vocabulary: str) -> None:
    student, report = loaded(saved(bert_tensors(), tmp_path / "pytorch_model.bin"), vocabulary)
    ids = [101, 104, 105, 107, 119, 102]
    wanted = bert_model()(input_ids=torch.tensor([ids]))
    states = student(text_only(ids))

    torch.testing.assert_close(states.text_BLS, wanted.last_hidden_state, atol=2e-6, rtol=2e-6)
    torch.testing.assert_close(student.head.layers[:2](states.text_BLS[:, 0]), wanted.pooler_output)
    assert report.layout == "bert" and report.unexpected == ("cls.predictions.bias",)
    assert {name.split(".")[1] for name in report.missing} == {"region_embedding", "layers"}


@torch.inference_mode()
def test_an_answer_is_berts_second_text(tmp_path: Path, vocabulary: str) -> None:
    student, _ = loaded(saved(bert_tensors(), tmp_path / "pytorch_model.bin"), vocabulary)
    ids = [101, 104, 102]
    wanted = bert_model()(input_ids=torch.tensor([ids]), token_type_ids=torch.ones(1, 3, dtype=torch.long))

    torch.testing.assert_close(
        student(text_only(ids, segment=2)).text_BLS, wanted.last_hidden_state, atol=2e-6, rtol=2e-6
    )


def test_old_names_of_norms_and_safetensors_give_the_same_student(tmp_path: Path, vocabulary: str) -> None:
    tensors = bert_tensors()
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value
        for name, value in tensors.items()
    }
    save_file(tensors, tmp_path / "model.safetensors")
    torch.save(old, tmp_path / "old.bin", _use_new_zipfile_serialization=False)  # as before torch 1.6: not mapped
    first, _ = loaded(tmp_path / "model.safetensors", vocabulary)
    second, report = loaded(tmp_path / "old.bin", vocabulary)

    assert report.misfits == ()
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())


def uniter_image_half(tensors: dict[str, torch.Tensor], features: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """UNITER's image embedding, written from its description."""

    def norm(name: str, value: torch.Tensor) -> torch.Tensor:
        weight, bias = (tensors[f"uniter.img_embeddings.{name}.{part}"] for part in ("weight", "bias"))
        return torch.nn.functional.layer_norm(value, (32,), weight, bias, 1e-12)

    def linear(name: str, value: torch.Tensor) -> torch.Tensor:
        weight, bias = (tensors[f"uniter.img_embeddings.{name}.{part}"] for part in ("weight", "bias"))
        return value @ weight.T + bias

    image = norm("img_layer_norm", linear("img_linear", features)) + norm(
        "pos_layer_norm", linear("pos_linear", boxes)
    )
    return norm("LayerNorm", image + tensors["uniter.embeddings.token_type_embeddings.weight"][1])


@torch.inference_mode()
def test_uniters_image_half_and_segments_arrive(tmp_path: Path, vocabulary: str) -> None:
    tensors = uniter_tensors()
    student, report = loaded(saved(tensors, tmp_path / "uniter-base.pt"), vocabulary)
    features, boxes = torch.randn(2, 3, REGION_WIDTH), torch.rand(2, 3, 7)

    torch.testing.assert_close(
        student.encoder.region_embedding(features, boxes), uniter_image_half(tensors, features, boxes)
    )
    types = tensors["uniter.embeddings.token_type_embeddings.weight"]
    assert torch.equal(student.encoder.text_embedding.segments.weight, types[[0, 1, 0, 0]])
    assert report.layout == "uniter" and report.misfits == ()
    assert set(report.unexpected) == {
        "uniter.img_embeddings.mask_embedding.weight",
        "itm_output.weight",
        "cls.predictions.bias",
    }
    assert all(name.startswith("head.layers.") for name in report.missing)


def test_a_checkpoint_of_the_second_stage_keeps_its_own_segments_and_loses_the_class_words(
    tmp_path: Path, vocabulary: str
) -> None:
    tensors = uniter_tensors(words=WORDS + 81, types=4)
    student, report = loaded(saved(tensors, tmp_path / "uniter-base-vcr_2nd.pt"), vocabulary)

    assert report.misfits == ()
    words = tensors["uniter.embeddings.word_embeddings.weight"]
    assert torch.equal(student.encoder.text_embedding.vectors, words[:WORDS])
    types = tensors["uniter.embeddings.token_type_embeddings.weight"]
    assert torch.equal(student.encoder.text_embedding.segments.weight, types)


def test_vl_berts_names_are_found_in_its_training_file(tmp_path: Path, vocabulary: str) -> None:
    tensors = vl_bert_tensors()
    path = saved({"state_dict": tensors, "epoch": 3, "optimizer": {"lr": 0.1}}, tmp_path / "vl-bert-base-prec.model")
    student, report = loaded(path, vocabulary)
    state = student.state_dict()

    assert report.layout == "vl_bert" and report.misfits == ()
    types = tensors["module.vlbert.token_type_embeddings.weight"]
    assert torch.equal(state["encoder.text_embedding.segments.weight"], types[[0, 2, 1, 1]])
    assert torch.equal(state["encoder.region_embedding.segment"], types[2])
    assert torch.equal(
        state["encoder.region_embedding.features.weight"], tensors["module.vlbert.visual_1x1_object.weight"]
    )
    attention = "module.vlbert.encoder.layer.1.attention.self"
    stacked = torch.cat([tensors[f"{attention}.{name}.weight"] for name in ("query", "key", "value")])
    assert torch.equal(state["encoder.blocks.1.qkv.weight"], stacked)
    assert "module.vlbert.visual_1x1_text.weight" in report.unexpected
    assert "encoder.region_embedding.boxes.weight" in report.missing


def test_region_features_of_another_width_start_fresh_and_are_reported(tmp_path: Path, vocabulary: str) -> None:
    path = saved(uniter_tensors(region_width=REGION_WIDTH + 1), tmp_path / "uniter-base.pt")
    _, report = loaded(path, vocabulary)

    assert [misfit.target for misfit in report.misfits] == ["encoder.region_embedding.features.weight"]
    assert any(
        line.startswith("  not loaded  encoder.region_embedding.features.weight")
        and "(32, 21), wanted (32, 20)" in line
        for line in report.lines()
    )


def test_another_vocabulary_is_refused_with_the_remedy(tmp_path: Path, vocabulary: str) -> None:
    path = saved(uniter_tensors(words=WORDS + 1), tmp_path / "uniter-base.pt")

    with pytest.raises(CheckpointError, match=r"121 words, the student's 120.*vocab\.txt.*student\.vocabulary"):
        build_student(config(vocabulary, path), head="independent", num_classes=3, region_width=REGION_WIDTH)


def test_a_checkpoint_with_fewer_layers_is_refused(tmp_path: Path, vocabulary: str) -> None:
    tensors = {name: value for name, value in bert_tensors().items() if "layer.1." not in name}
    path = saved(tensors, tmp_path / "pytorch_model.bin")

    with pytest.raises(CheckpointError, match=r"encoder\.blocks\.1.*of the preset's size"):
        build_student(config(vocabulary, path), head="independent", num_classes=3, region_width=REGION_WIDTH)


def test_presets_with_frozen_words_take_no_published_checkpoint(tmp_path: Path) -> None:
    path = saved(bert_tensors(), tmp_path / "pytorch_model.bin")

    with pytest.raises(CheckpointError, match=r"MiniLM's frozen words take no published checkpoint"):
        build_student(
            StudentConfig(preset="uniter_tiny", init=str(path)), head="independent", num_classes=3, region_width=1280
        )


class Payload:
    """Unpickling one writes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (str(self.target),)


def test_reading_a_checkpoint_executes_nothing(tmp_path: Path) -> None:
    path = saved({"state_dict": Payload(tmp_path / "harm")}, tmp_path / "harmful.pt")

    with pytest.raises(CheckpointError, match=r"harmful\.pt: cannot be read as weights alone: .*it holds more than"):
        read_tensors(path)
    assert not (tmp_path / "harm").exists()


def test_the_command_reports_every_parameter_and_exits_by_what_a_trial_would_do(
    tmp_path: Path, vocabulary: str
) -> None:
    path = saved(uniter_tensors(), tmp_path / "uniter-base.pt")
    arguments = ["student", "check", str(path), "--region-width", str(REGION_WIDTH)]
    fits = CliRunner().invoke(ablate, [*arguments, "--vocabulary", vocabulary])
    refused = CliRunner().invoke(ablate, arguments)
    absent = CliRunner().invoke(ablate, ["student", "check", str(tmp_path / "none.pt")])
    for words, found in ([*arguments, "--vocabulary", vocabulary], fits), (arguments, refused):
        answered = CliRunner().invoke(ablate, [*words, "--json"])
        answer = checked_answer("student_check", answered.stdout)
        assert (answered.exit_code, answer["fits"]) == (found.exit_code, found.exit_code == 0)
        assert answer["report"] == found.stdout.splitlines()

    assert fits.exit_code == 0, fits.output
    assert "layout uniter; 42 matched, 0 not loaded (shape), 6 missing, 3 unexpected" in fits.output
    assert "matched     encoder.blocks.0.qkv.weight <- encoder.layer.0.attention.self.query.weight, " in fits.output
    assert refused.exit_code == 2
    assert "A trial would refuse it" in refused.output and "student.vocabulary" in refused.output
    assert absent.exit_code == 2 and "none.pt" in absent.output
