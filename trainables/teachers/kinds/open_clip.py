"""Any open_clip model: by its name with a local checkpoint, or by a folder of its own."""

from __future__ import annotations

import sys
from collections.abc import Collection
from functools import cache as once
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from typing import Literal

from pydantic import Field

from ablative.progress import Progress
from ablative.trainables.parts.part import Options
from ablative.trainables.parts.teacher import LoadedTeacher
from ablative.trainables.parts.teacher import Teacher

SCHEMA = "local-dir:"
"""Before a path in `teacher.model`: a folder with `open_clip_config.json` and weights."""
PREPROCESSING_VERSION = 1
"""Raised when code changes how pictures reach a model with weights of its own."""


class OpenClipOptions(Options):
    """How pictures reach the model."""

    pictures: Literal["published", "padded", "squashed"] = Field(
        "published",
        description="As published with the model (CLIP's centre crop), padded to a square, or squashed into one.",
    )


def folder_of(config: Any) -> Path | None:
    """Return the folder that `teacher.model` names; None if it is the name of a model."""
    return Path(config.model.removeprefix(SCHEMA)) if config.model.startswith(SCHEMA) else None


def _load(config: Any, cache: Path, progress: Progress) -> LoadedTeacher:
    from ablative.trainables.teachers.openclip import load_open_clip

    return load_open_clip(config, folder=folder_of(config) is not None)


def _models() -> Collection[str]:
    """The names that open_clip knows; asks open_clip itself only if it is already imported."""
    if "open_clip" in sys.modules:
        names: list[str] = sys.modules["open_clip"].list_models()
        return names
    return _shipped_models()


@once
def _shipped_models() -> frozenset[str]:
    spec = find_spec("open_clip")
    places = spec.submodule_search_locations or [] if spec else []
    return frozenset(path.stem for place in places for path in Path(place, "model_configs").glob("*.json"))


def _files(config: Any) -> dict[str, Path]:
    found = {} if config.checkpoint is None else {"checkpoint": Path(config.checkpoint)}
    folder = folder_of(config)
    return found if folder is None else {**found, "model": folder}


def _identity(config: Any, cache: Path) -> dict[str, Any]:
    from ablative.trainables.teachers.digest import digest_of_file
    from ablative.trainables.teachers.digest import digest_of_folder

    if config.checkpoint is not None:
        remedy = (
            f"give the local path of a checkpoint of {config.model!r} (as published with the model: open_clip's .pt "
            "or .safetensors, or OpenAI's archive)"
        )
        weights = digest_of_file("checkpoint", Path(config.checkpoint), cache, remedy)
        return {"weights": weights, "preprocessing": PREPROCESSING_VERSION}
    if (folder := folder_of(config)) is not None:
        weights = digest_of_folder("model", folder, cache, of="an open_clip model", wanted="open_clip_config.json")
        return {"weights": weights, "preprocessing": PREPROCESSING_VERSION}
    from importlib.metadata import version

    return {"weights": f"random weights of open_clip {version('open_clip_torch')}"}


PARTS = [
    Teacher(
        name="open_clip",
        description="Any open_clip model by its name, or `local-dir:` and the path of a folder with its weights.",
        options=OpenClipOptions,
        load=_load,
        models=_models,
        schema=SCHEMA,
        gives=("image", "text", "words", "patches"),
        takes_checkpoint=True,
        files=_files,
        identity=_identity,
    )
]
