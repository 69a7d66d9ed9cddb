"""The options of a study for a folder of pictures and texts. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import Field

from ablative.splits import SHIFTED
from ablative.trainables.parts.part import Options
from ablative.trainables.settings import Text

_UNSAFE = re.compile(r"\W+")


def safe(name: str) -> str:
    """Return a name in lower case, with an underscore for everything that is neither letter nor digit."""
    return _UNSAFE.sub("_", name.lower()).strip("_") or "other"


class ShiftOptions(Options):
    """Rows from another source: they form a separate test and belong to no other split."""

    column: Text | None = Field(
        None, description="Column with the origin of a row; without it there is no shifted test."
    )
    values: tuple[Text, ...] = Field(
        (), max_length=1000, description="Values of that column: their rows are the shifted test."
    )
    name: Text | None = Field(
        None, description="The shifted test is the split `test_<name>`; by default the name of the column."
    )

    @property
    def split(self) -> str | None:
        """The name of the shifted test; None without one."""
        return None if self.column is None else f"test_{safe(self.name or self.column)}"


class ImageTextOptions(Options):
    """The columns of a folder's files."""

    file_name_column: Text = Field("file_name", description="Column of the pictures' paths, relative to the file.")
    text_column: Text = Field("text", description="Column of the texts.")
    label_column: Text = Field("label", description="Column of the labels.")
    split_column: Text = Field("split", description="Column of the splits, if there is one.")
    shift: ShiftOptions = ShiftOptions()


def contradictions(options: ImageTextOptions) -> Iterator[tuple[str, str, str]]:
    """Yield (path, found, wanted) for each option that conflicts with another."""
    shift = options.shift
    if shift.column is not None and not shift.values:
        yield "shift.values", "nothing", f"the values of {shift.column} whose rows are the shifted test"
    if shift.column is None and shift.values:
        yield "shift.column", "nothing", "the column that has shift.values"
    if shift.split == SHIFTED:
        yield "shift.name", "shifted", f"another name: {SHIFTED} stands for all shifted tests"
