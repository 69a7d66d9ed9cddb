"""The bundled teacher that is aligned on captions of scenes (docs/teacher.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ablative.progress import Progress
from ablative.trainables.parts.teacher import LoadedTeacher
from ablative.trainables.parts.teacher import Teacher
from ablative.trainables.teachers.scene_files import PACKAGES
from ablative.trainables.teachers.scene_files import SHIPPED


def _load(config: Any, cache: Path, progress: Progress) -> LoadedTeacher:
    from ablative.trainables.teachers.mini_scene_encoder import load_mini_scene_encoder
    from ablative.trainables.teachers.mini_scene_encoder import untrained_mini_scene_encoder

    return untrained_mini_scene_encoder() if config.control == "untrained" else load_mini_scene_encoder()


def _identity(config: Any, cache: Path) -> dict[str, Any]:
    from ablative.trainables.file_digests import file_digests
    from ablative.trainables.teachers.recipe import package_versions

    return {"weights": file_digests([SHIPPED], cache)[0], "packages": package_versions(PACKAGES)}


PARTS = [
    Teacher(
        name="mini_scene_encoder",
        description="Frozen ImageNet and MiniLM towers, aligned on captions of scenes; it comes with the package.",
        load=_load,
        gives=("image", "text", "words", "patches"),
        identity=_identity,
    )
]
