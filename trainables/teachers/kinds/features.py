"""Features that somebody computed elsewhere, from Parquet or Arrow files (docs/teacher.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from ablative.progress import Progress
from ablative.trainables.parts.part import Options
from ablative.trainables.parts.teacher import Gift
from ablative.trainables.parts.teacher import Teacher
from ablative.trainables.settings import Text

_GIVES: dict[str, Gift] = {"images": "image", "texts": "text", "words": "words"}


class FeaturesOptions(Options):
    """The files, and what their features describe."""

    images: Text | None = Field(None, description="File of images: columns id (the picture's name), vector.")
    texts: Text | None = Field(None, description="File of texts: columns id (the text itself), vector.")
    words: Text | None = Field(
        None, description="File of words in their texts: columns id (the text), word (its number, from 0), vector."
    )
    joint: bool = Field(False, description="Whether images and texts lie in one space, as CLIP's do.")
    logit_scale: float = Field(
        100.0, ge=1e-3, le=1e6, description="Factor of the cosines in its contrastive softmax, where it is joint."
    )


def _load(config: Any, cache: Path, progress: Progress) -> Any:
    from ablative.trainables.teachers.stored_features import StoredFeatures

    return StoredFeatures(config.features)


def _files(config: Any) -> dict[str, Path]:
    given = {name: getattr(config.features, name) for name in _GIVES}
    return {f"features.{name}": Path(path) for name, path in given.items() if path is not None}


def _gives(config: Any) -> tuple[Gift, ...]:
    return tuple(gift for name, gift in _GIVES.items() if getattr(config.features, name) is not None)


def _joint(config: Any) -> bool:
    joint: bool = config.features.joint
    return joint


def _check(config: Any, cache: Path, progress: Progress) -> None:
    _load(config, cache, progress)  # report an unreadable file before computing anything


PARTS = [
    Teacher(
        name="features",
        description="Features computed elsewhere, from Parquet or Arrow files.",
        options=FeaturesOptions,
        load=_load,
        gives=_gives,
        joint=_joint,
        live=False,
        files=_files,
        prepare=_check,
    )
]
