"""The types of a study file's scalars. They are taken as written: "3" or 3.0 is not 3, and true is not 1."""

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
