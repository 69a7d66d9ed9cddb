"""Files of weights that are damaged or hold no weights: tensors, or the one named error."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save

from ablative.orchestrator.commands.cli import ablate
from ablative.trainables.students.checkpoint import CheckpointError
from ablative.trainables.students.checkpoint import read_tensors
from ablative.trainables.students.loading import fitted
from ablative.trainables.students.vocabulary import VocabularyError
from ablative.trainables.students.vocabulary import tokenizer
from tests.helpers.damage import damaged
from tests.torch_cpu.students.published_files import SMALL
from tests.torch_cpu.students.published_files import bert_tensors

NORM = "bert.embeddings.LayerNorm.weight"
TAKEN = "encoder.text_embedding.norm.weight"


def content_of(kind: str) -> bytes:
    state = {f"encoder.layer.{number}.weight": torch.randn(5, 7) for number in range(4)}
    state |= {"half": torch.randn(3).half(), "count": torch.arange(5)}
    if kind == ".safetensors":
        return save(state)
    out = io.BytesIO()
    torch.save({"state_dict": state}, out, _use_new_zipfile_serialization=kind == ".pt")
    return out.getvalue()


@pytest.mark.parametrize("kind", [".safetensors", ".pt", ".bin"])
def test_a_damaged_checkpoint_is_read_or_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    torch.manual_seed(0)
    path, refused = tmp_path / f"weights{kind}", 0  # .bin: as torch wrote it before 1.6
    for content in damaged(content_of(kind), 300):
        path.unlink(missing_ok=True)  # the old one may still be mapped
        path.write_bytes(content)
        try:
            for value in read_tensors(path).values():
                assert value.layout == torch.strided and value.float().sum().dtype == torch.float32
        except CheckpointError as error:
            refused += 1
            assert str(error).startswith(f"{path}: cannot be read as weights alone: ")
            assert str(error).isprintable() and len(str(error)) < 600
    assert refused > 100


def test_the_command_tells_a_damaged_checkpoint_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    path.write_bytes(b"\x80\x02" + b"]" * 5 + b"(" * 10 + b".")
    ran = CliRunner().invoke(ablate, ["student", "check", str(path), "--preset", "uniter_tiny"])

    assert ran.exit_code == 2 and len(ran.output.splitlines()) == 1 and "w.pt: cannot be read as weights" in ran.output


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (torch.full((SMALL.width,), torch.nan), "not finite"),
        (torch.full((SMALL.width,), torch.inf), "not finite"),
        (torch.ones(SMALL.width, dtype=torch.complex64), "of type torch.complex64"),
        (torch.ones(SMALL.width, dtype=torch.int8), "of type torch.int8"),
        (torch.ones(SMALL.width).to_sparse(), "sparse"),
        (torch.ones(SMALL.width, device="meta"), "on device meta"),
        (torch.ones(1).expand(SMALL.width), "over 4 bytes"),
    ],
    ids=["nan", "infinite", "complex", "whole", "sparse", "meta", "claimed"],
)
def test_what_is_no_weight_does_not_pass_for_one(tmp_path: Path, value: torch.Tensor, reason: str) -> None:
    path = tmp_path / "pytorch_model.bin"
    torch.save(bert_tensors() | {NORM: value}, path)
    with pytest.raises(CheckpointError, match=rf"pytorch_model\.bin: .*LayerNorm\.weight is .*{reason}.*no weight of"):
        fitted(path, read_tensors(path), {TAKEN: (SMALL.width,)})


def test_counters_and_what_nobody_takes_are_no_reason_to_refuse(tmp_path: Path) -> None:
    path = tmp_path / "pytorch_model.bin"
    torch.save(bert_tensors() | {"bert.embeddings.position_ids": torch.arange(9), "cls.bias": torch.tensor(1j)}, path)
    report, values = fitted(path, read_tensors(path), {TAKEN: (SMALL.width,)})

    assert values.keys() == {TAKEN} and "cls.bias" in report.unexpected


def test_an_archive_that_claims_more_than_its_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    whole = content_of(".pt")
    with zipfile.ZipFile(io.BytesIO(whole)) as archive, zipfile.ZipFile(tmp_path / "w.pt", "w") as copy:
        for entry in archive.infolist():
            kind = zipfile.ZIP_DEFLATED if entry.filename.endswith("data/0") else zipfile.ZIP_STORED
            copy.writestr(entry.filename, bytes(1 << 24) if kind else archive.read(entry), kind)

    with pytest.raises(CheckpointError, match=r"data/0 is compressed"):
        read_tensors(tmp_path / "w.pt")


def test_what_a_file_wants_executed_is_not(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return Path.touch, (tmp_path / "ran",)

    for protocol in (2, 4):
        (tmp_path / "w.pt").write_bytes(pickle.dumps(Payload(), protocol))
        with pytest.raises(CheckpointError):
            read_tensors(tmp_path / "w.pt")
    assert not (tmp_path / "ran").exists()


def test_a_vocabulary_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_bytes(b"[PAD]\n\xff\xfe\x00")
    with pytest.raises(VocabularyError, match=r"vocab\.txt cannot be read: UnicodeDecodeError.*in UTF-8"):
        tokenizer(str(tmp_path / "vocab.txt"))
