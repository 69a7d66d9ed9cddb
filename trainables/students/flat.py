"""A student as one function of tensors, for torch.export and ONNX programs that other runtimes read."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ablative.trainables.config import StudentConfig
from ablative.trainables.students.checkpoint import CheckpointError
from ablative.trainables.students.single_stream import BOX_WIDTH
from ablative.trainables.students.single_stream import StudentBatch
from ablative.trainables.students.student import StudentModule
from ablative.trainables.vision.pixels import PICTURE_SIZE

FIELDS = ("ids_BL", "segments_BL", "references_BL", "text_mask_BL", "regions_BRF", "boxes_BR7", "region_mask_BR")
PIXELS = "pixels_I3HW"


class FlatStudent(nn.Module):
    """Tensors in the order of `input_names` to logits."""

    def __init__(self, student: StudentModule) -> None:
        super().__init__()
        self.student = student

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        """(B, K)."""
        logits: torch.Tensor = self.student(batch_of(tensors)).logits
        return logits


def batch_of(tensors: tuple[torch.Tensor, ...]) -> StudentBatch:
    """Return the batch of tensors in the order of `input_names`."""
    return StudentBatch(**dict(zip((*FIELDS, PIXELS), tensors, strict=False)))


def input_names(settings: StudentConfig) -> tuple[str, ...]:
    """Return the names of the tensors: those of `StudentBatch`, plus pixels for students that read them."""
    return (*FIELDS, PIXELS) if settings.part.reads_pixels(settings) else FIELDS


def example(
    settings: StudentConfig, region_width: int, *, sequences: int = 3, length: int = 7, regions: int = 4
) -> tuple[torch.Tensor, ...]:
    """Return random tensors in the order of `input_names`."""
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(sequences, regions, 2, 2, generator=generator).sort(dim=2).values.flatten(2)
    sizes = corners[..., 2:] - corners[..., :2]
    tensors = (
        torch.randint(1000, 2000, (sequences, length), generator=generator),
        torch.zeros(sequences, length, dtype=torch.long),
        torch.full((sequences, length), -1),
        torch.ones(sequences, length, dtype=torch.bool),
        torch.randn(sequences, regions, region_width, generator=generator),
        torch.cat([corners, sizes, sizes.prod(dim=-1, keepdim=True)], dim=-1),
        torch.ones(sequences, regions, dtype=torch.bool),
    )
    assert tensors[5].shape[-1] == BOX_WIDTH
    if len(input_names(settings)) == len(FIELDS):
        return tensors
    shape = (sequences, 3, PICTURE_SIZE, PICTURE_SIZE)
    return (*tensors, torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8))


def save_program(student: StudentModule, settings: StudentConfig, region_width: int, path: Path) -> None:
    """Write a program that `torch.export.load(path).module()` gives back. Raises CheckpointError if that fails."""
    torch.export.save(_program(student, settings, region_width), path)


def save_onnx(student: StudentModule, settings: StudentConfig, region_width: int, path: Path) -> None:
    """Write ONNX with the weights inside. Raises CheckpointError if a package is missing, or as `save_program`."""
    if importlib.util.find_spec("onnxscript") is None:  # torch asks for it too late for a readable message
        raise CheckpointError("--onnx needs the packages of `pip install 'ablative[onnx]'`")
    program = torch.onnx.export(
        _program(student, settings, region_width),
        input_names=list(input_names(settings)),
        output_names=["logits"],
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    program.save(path, external_data=False)


def _program(student: StudentModule, settings: StudentConfig, region_width: int) -> torch.export.ExportedProgram:
    """Trace the student with any number of sequences, tokens and regions; the picture has one of each."""
    flat, tensors = FlatStudent(student.eval()), example(settings, region_width)
    longest = settings.part.presets[settings.preset].longest_text
    sequences, length, regions = (
        torch.export.Dim("sequences"),
        torch.export.Dim("tokens", max=longest),
        torch.export.Dim("regions"),
    )
    text: dict[int, Any] = {0: sequences, 1: length}
    shapes = [text, text, text, text, *[{0: sequences, 1: regions}] * 3, *[{0: sequences}] * (len(tensors) - 7)]
    try:
        with torch.no_grad():
            return torch.export.export(flat, tensors, dynamic_shapes=(tuple(shapes),), strict=False)
    except Exception as error:  # torch.export raises anything for a module that it cannot trace
        line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CheckpointError(
            f"student {settings.part.name}: torch.export cannot trace it ({line}); give its part `plain`"
        ) from error
