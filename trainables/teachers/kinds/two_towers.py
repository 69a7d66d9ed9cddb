"""Two frozen towers that never met: a timm image tower and a transformers text tower (MAD's unimodal teachers).

Images and texts lie in separate spaces, so a cosine between them means nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from typing import Literal

from pydantic import Field

from ablative.progress import Progress
from ablative.trainables.parts.part import Options
from ablative.trainables.parts.teacher import LoadedTeacher
from ablative.trainables.parts.teacher import Teacher
from ablative.trainables.settings import Text


class TwoTowersOptions(Options):
    """The towers, and how states of tokens become the state of a text."""

    image_model: Text | None = Field(None, description="timm's name of the image tower.")
    image_checkpoint: Text | None = Field(None, description="Local file of its weights (.safetensors, .pt).")
    text_folder: Text | None = Field(
        None, description="Local folder of the text tower as transformers saves it, with its tokenizer."
    )
    pooling: Literal["mean", "cls", "last"] = Field(
        "mean", description="Embedding of a text: mean of its tokens' states, state of the first, or of the last."
    )


def _load(config: Any, cache: Path, progress: Progress) -> LoadedTeacher:
    from ablative.trainables.teachers.two_towers import load_two_towers

    return load_two_towers(config.two_towers, untrained=config.control == "untrained")


def _files(config: Any) -> dict[str, Path]:
    names = ("image_checkpoint", "text_folder")
    given = {name: getattr(config.two_towers, name) for name in names}
    return {f"two_towers.{name}": Path(path) for name, path in given.items() if path is not None}


PARTS = [
    Teacher(
        name="two_towers",
        description="A timm image tower and a transformers text tower from local files, without a joint space.",
        options=TwoTowersOptions,
        requires=("image_model", "image_checkpoint", "text_folder"),
        load=_load,
        gives=("image", "text", "words"),
        joint=False,
        files=_files,
    )
]
