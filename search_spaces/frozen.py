"""The base of every model that is read from a study file."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field

from ablative.search_spaces.wording import NAME


class Frozen(BaseModel):
    """A frozen model that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Name = Annotated[
    str,
    Field(
        pattern=NAME,
        max_length=100,
        description="Letters, digits, `_`, `-` and `.`, beginning with a letter or digit.",
    ),
]
# A study file's scalars are taken as they are written: no "3" for 3, no 3.0 for 3, no true for 1.
Text = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^\S(.*\S)?$")]
"""A path or a URI: one line, with no blank at either end."""
Whole = Annotated[int, Field(strict=True)]
Number = Annotated[float, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]
