"""The bundled teacher: two frozen towers that Python packages ship, aligned once (docs/teacher.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ablative.progress import Progress
from ablative.trainables.parts.teacher import LoadedTeacher
from ablative.trainables.parts.teacher import Teacher


def _load(config: Any, cache: Path, progress: Progress) -> LoadedTeacher:
    from ablative.trainables.teachers.mini_dual_encoder import load_mini_dual_encoder
    from ablative.trainables.teachers.mini_dual_encoder import untrained_mini_dual_encoder

    if config.control == "untrained":
        return untrained_mini_dual_encoder()
    return load_mini_dual_encoder(cache, progress)


def _identity(config: Any, cache: Path) -> dict[str, Any]:
    from ablative.trainables.teachers.recipe import recipe_digest

    return {"weights": recipe_digest()}


def _prepare(config: Any, cache: Path, progress: Progress) -> None:
    if config.control != "untrained":
        from ablative.trainables.teachers.mini_dual_encoder import align_mini_dual_encoder

        align_mini_dual_encoder(cache, progress)


PARTS = [
    Teacher(
        name="mini_dual_encoder",
        description="Frozen ImageNet and MiniLM towers, aligned on emoji and their names; it comes with the package.",
        load=_load,
        gives=("image", "text", "words", "patches"),
        identity=_identity,
        prepare=_prepare,
    )
]
