"""CLIP-ViL: UNITER with a visual trunk of its own, which is trained too (arXiv 2107.06383). Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any

from ablative.trainables.parts.student import Shared
from ablative.trainables.parts.student import Student
from ablative.trainables.students.kinds.uniter import UNITER_PRESETS
from ablative.trainables.students.kinds.uniter import report
from ablative.trainables.students.kinds.uniter import start
from ablative.trainables.students.starting_files import named_files
from ablative.trainables.students.transformer_preset import TransformerPreset

if TYPE_CHECKING:
    from torch import nn

    from ablative.trainables.config import StudentConfig

CLIP_VIL_PRESETS: dict[str, TransformerPreset] = {
    "clip_vil_tiny": replace(
        UNITER_PRESETS["uniter_tiny"],
        description="uniter_tiny behind the bundled teacher's image tower",
        trunk="bundled",
        shipped_as="uniter_tiny",
        parameters=4_500_000,
    ),
    "clip_vil_base": replace(
        UNITER_PRESETS["uniter_base"],
        description="uniter_base behind the image tower of an open_clip model",
        trunk="open_clip",
        parameters=200_000_000,
    ),
}


def _uses(settings: StudentConfig) -> Collection[Shared]:
    shared: tuple[Shared, ...] = ("init", "vocabulary", "visual_input", "tags", "dropout")
    has_its_own = CLIP_VIL_PRESETS[settings.preset].trunk == "open_clip"
    return (*shared, "trunk_model", "trunk_checkpoint") if has_its_own else shared


def _always(settings: StudentConfig) -> bool:
    return True


def _build(settings: StudentConfig, head: Callable[[int], nn.Module], region_width: int) -> nn.Module:
    from ablative.trainables.students.transformer import transformer
    from ablative.trainables.students.trunks import bundled_trunk
    from ablative.trainables.students.trunks import open_clip_trunk

    preset = CLIP_VIL_PRESETS[settings.preset]
    trunk = bundled_trunk() if preset.trunk == "bundled" else open_clip_trunk(settings)
    return transformer(settings, preset, head, region_width, trunk=trunk)


def _start(student: Any, settings: StudentConfig) -> None:
    from ablative.trainables.students.trunks import require_trunk_weights

    if CLIP_VIL_PRESETS[settings.preset].trunk == "open_clip":
        require_trunk_weights(settings)
    start(student, settings)


PARTS = [
    Student(
        name="clip_vil",
        description="A single-stream transformer with an image tower of its own, which is fine-tuned.",
        presets=CLIP_VIL_PRESETS,
        build=_build,
        start=_start,
        uses=_uses,
        files=named_files,
        reads_pixels=_always,
        trunk="encoder.trunk.",
        report=report,
    )
]
