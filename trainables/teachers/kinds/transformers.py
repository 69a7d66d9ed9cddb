"""CLIP and SigLIP models from a local folder, as transformers saves them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import Field

from ablative.progress import Progress
from ablative.trainables.parts.part import Options
from ablative.trainables.parts.teacher import Gift
from ablative.trainables.parts.teacher import LoadedTeacher
from ablative.trainables.parts.teacher import Teacher
from ablative.trainables.settings import Text


class TransformersOptions(Options):
    """Place of the model."""

    folder: Text | None = Field(
        None, description="Local folder with config.json, model.safetensors, tokenizer and preprocessor_config.json."
    )


def _load(config: Any, cache: Path, progress: Progress) -> LoadedTeacher:
    from ablative.trainables.teachers.transformers_folder import load_folder

    return load_folder(Path(config.transformers.folder).expanduser(), untrained=config.control == "untrained")


def _files(config: Any) -> dict[str, Path]:
    folder = config.transformers.folder
    return {} if folder is None else {"transformers.folder": Path(folder)}


def _gives(config: Any) -> tuple[Gift, ...]:
    """For CLIP also patches. SigLIP pools by attention, so its patches have no place in the joint space."""
    try:
        content = json.loads((Path(config.transformers.folder).expanduser() / "config.json").read_text("utf-8"))
    except (OSError, ValueError, TypeError):  # an error is reported on loading
        content = {}
    is_clip = isinstance(content, dict) and content.get("model_type") == "clip"
    return ("image", "text", "words", "patches") if is_clip else ("image", "text", "words")


PARTS = [
    Teacher(
        name="transformers",
        description="A CLIP or SigLIP model from a local folder of transformers.",
        options=TransformersOptions,
        requires=("folder",),
        load=_load,
        gives=_gives,
        files=_files,
    )
]
