"""VL-BERT: one transformer in which every word looks at the picture, too (arXiv 1908.08530). Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any

from ablative.trainables.parts.student import Shared
from ablative.trainables.parts.student import Student
from ablative.trainables.students.kinds.uniter import UNITER_PRESETS
from ablative.trainables.students.starting_files import named_files
from ablative.trainables.students.transformer_preset import TransformerPreset

if TYPE_CHECKING:
    from torch import nn

    from ablative.trainables.config import StudentConfig

VL_BERT_PRESETS: dict[str, TransformerPreset] = {
    "vl_bert_tiny": replace(
        UNITER_PRESETS["uniter_tiny"],
        description="VL-BERT's layout, 4 layers of width 128 on MiniLM's frozen words",
        tags="none",
        parameters=1_400_000,
    ),
    "vl_bert_base": replace(
        UNITER_PRESETS["uniter_base"],
        description="VL-BERT's layout, 12 layers of width 768, the size of its published base models",
        parameters=114_000_000,
    ),
    "vl_bert_large": replace(
        UNITER_PRESETS["uniter_large"],
        description="VL-BERT's layout, 24 layers of width 1024, the size of its published large models",
        parameters=341_000_000,
    ),
}


def _uses(settings: StudentConfig) -> Collection[Shared]:
    return ("init", "vocabulary", "dropout")


def _build(settings: StudentConfig, head: Callable[[int], nn.Module], region_width: int) -> nn.Module:
    from ablative.trainables.students.transformer import vl_bert

    return vl_bert(settings, VL_BERT_PRESETS[settings.preset], head, region_width)


def _start(student: Any, settings: StudentConfig) -> None:
    from ablative.trainables.students.loading import load_student
    from ablative.trainables.students.starting_files import starting_files
    from ablative.trainables.students.vl_bert import see_nothing_yet

    if settings.init == "scratch":
        return
    found = load_student(student, starting_files(settings)["init"], settings.preset)
    if found.layout == "bert":
        see_nothing_yet(student.encoder)


def _report(settings: StudentConfig, region_width: int) -> tuple[list[str], bool]:
    from ablative.trainables.students.transformer import fit_of

    found = fit_of(settings, region_width)
    return list(found.lines()), bool(found.faults)


PARTS = [
    Student(
        name="vl_bert",
        description="One transformer over words that each look at a region or the whole image, and region features.",
        presets=VL_BERT_PRESETS,
        alone=True,
        build=_build,
        start=_start,
        uses=_uses,
        files=named_files,
        report=_report,
    )
]
