"""The files that a student starts from, and whether they exist. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ablative.trainables.errors import MissingData
from ablative.trainables.students.transformer_preset import TransformerPreset

if TYPE_CHECKING:
    from ablative.trainables.config import StudentConfig

_ASSETS = Path(__file__).parent.parent / "assets"


def starting_files(student: StudentConfig) -> dict[str, Path]:
    """Return the files that the student starts from, by the setting that names each.

    Raises `MissingData`, naming the setting and its remedy, if one is missing.
    """
    files = dict(student.part.files(student))
    for setting, path in files.items():
        if not path.is_file():
            raise MissingData(_absent(student, setting, path))
    return files


def _absent(student: StudentConfig, setting: str, path: Path) -> str:
    if setting == "init" and student.init == "pretrained":
        return (
            f"student.init: no weights of {student.preset!r} come with the program; give the path of a checkpoint, "
            "or scratch"
        )
    return f"student.{setting}: no file at {path}; give the path of one that is there"


def named_files(student: StudentConfig) -> dict[str, Path]:
    """Return the file that each setting of a single-stream transformer names, whether it exists or not."""
    preset = student.part.presets[student.preset]
    assert isinstance(preset, TransformerPreset)
    shipped = _ASSETS / f"{preset.shipped_as or student.preset}.safetensors"
    named = {
        "init": None if student.init in ("pretrained", "scratch") else student.init,
        "vocabulary": student.vocabulary,
        "trunk_checkpoint": student.trunk_checkpoint,
    }
    files = {} if student.init != "pretrained" else {"init": shipped}
    return files | {setting: Path(path).expanduser() for setting, path in named.items() if path is not None}
