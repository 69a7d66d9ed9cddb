"""The types of a study file's scalars: they are taken as written, no "3" for 3, no 3.0 for 3, no true for 1."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ablative.search_spaces.wording import NAME

Name = Annotated[
    str,
    Field(
        pattern=NAME,
        max_length=100,
        description="Letters, digits, `_`, `-` and `.`, beginning with a letter or digit.",
    ),
]
Text = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^\S(.*\S)?$")]
"""A path or a URI: one line, with no blank at either end."""
Whole = Annotated[int, Field(strict=True)]
Number = Annotated[float, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]
