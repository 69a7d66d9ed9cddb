"""UNITER: one transformer over the words and the regions of a picture (arXiv 1909.11740). Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from typing import TYPE_CHECKING
from typing import Any

from ablative.trainables.parts.student import Shared
from ablative.trainables.parts.student import Student
from ablative.trainables.students.starting_files import named_files
from ablative.trainables.students.transformer_preset import TransformerPreset

if TYPE_CHECKING:
    from torch import nn

    from ablative.trainables.config import StudentConfig

UNITER_PRESETS: dict[str, TransformerPreset] = {
    "uniter_tiny": TransformerPreset(
        description="4 layers of width 128 on MiniLM's frozen words; trains on two CPU cores",
        num_layers=4,
        width=128,
        num_heads=4,
        hidden=512,
        frozen_words=True,
        tags="scaled",
        longest_text=64,
        parameters=1_200_000,
    ),
    "uniter_small": TransformerPreset(
        description="6 layers of width 384 on MiniLM's frozen words",
        num_layers=6,
        width=384,
        num_heads=6,
        hidden=1536,
        frozen_words=True,
        tags="scaled",
        longest_text=220,
        parameters=12_000_000,
    ),
    "uniter_base": TransformerPreset(
        description="12 layers of width 768, the size of the published base models",
        num_layers=12,
        width=768,
        num_heads=12,
        hidden=3072,
        frozen_words=False,
        longest_text=220,
        parameters=112_000_000,
    ),
    "uniter_large": TransformerPreset(
        description="24 layers of width 1024, the size of the published large models",
        num_layers=24,
        width=1024,
        num_heads=16,
        hidden=4096,
        frozen_words=False,
        longest_text=220,
        parameters=340_000_000,
    ),
}
"""The longest texts are UNITER's: 60 tokens in SNLI-VE and VQA, 220 in VCR."""


def _uses(settings: StudentConfig) -> Collection[Shared]:
    return ("init", "vocabulary", "visual_input", "tags", "dropout")


def _reads_pixels(settings: StudentConfig) -> bool:
    return settings.visual_input != "regions"


def _build(settings: StudentConfig, head: Callable[[int], nn.Module], region_width: int) -> nn.Module:
    from ablative.trainables.students.transformer import transformer

    return transformer(settings, UNITER_PRESETS[settings.preset], head, region_width)


def start(student: Any, settings: StudentConfig) -> None:
    """Fill a single-stream transformer from the checkpoint that `student.init` names, if any."""
    from ablative.trainables.students.loading import load_student
    from ablative.trainables.students.starting_files import starting_files

    if settings.init != "scratch":
        load_student(student, starting_files(settings)["init"], settings.preset)


def report(settings: StudentConfig, region_width: int) -> tuple[list[str], bool]:
    """Return which tensors of a checkpoint fill which parameters of a single-stream transformer."""
    from ablative.trainables.students.transformer import fit_of

    found = fit_of(settings, region_width)
    return list(found.lines()), bool(found.faults)


def _plain(settings: StudentConfig, student: Any) -> tuple[str, dict[str, Any]]:
    from ablative.trainables.students.plain import plain_source
    from ablative.trainables.students.plain import shape_of

    return plain_source(), shape_of(settings, student)


PARTS = [
    Student(
        name="uniter",
        description="One transformer over words and region features, or patches of the picture.",
        presets=UNITER_PRESETS,
        alone=True,
        build=_build,
        start=start,
        uses=_uses,
        files=named_files,
        reads_pixels=_reads_pixels,
        report=report,
        plain=_plain,
    )
]
