"""The base of every group of settings of a trial, and the types of its fields."""

from __future__ import annotations

from functools import cache
from typing import Annotated
from typing import Any
from typing import Self

from pydantic import ConfigDict
from pydantic import Field

from ablative.frozen import Frozen

Text = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^\S(.*\S)?$")]
"""A name or a path: one line, with no blank at either end."""
Rate = Annotated[
    float,
    Field(ge=1e-9, le=100, json_schema_extra={"usual_maximum": 1, "beyond": "training with larger steps diverges"}),
]
"""A learning rate."""
Temperature = Annotated[float, Field(ge=1e-4, le=1e4)]
GREATEST_WEIGHT = 1e6
Weight = Annotated[float, Field(ge=0, le=GREATEST_WEIGHT)]
"""A weight of 0 switches its term off."""


class Settings(Frozen):
    """A group of settings; its defaults are checked like a user's values."""

    model_config = ConfigDict(validate_default=True)

    @classmethod
    def all_defaults(cls) -> Self:
        """Return the group with every field at its default: one object per type, because plans often need it."""
        found: Self = _all_defaults(cls)
        return found

    def changed(self, **values: Any) -> Self:
        """Return a copy with these values, without validating them; itself if it already has them.

        A plan makes a hundred thousand copies. A copy takes ten times as long as a comparison, but comparing whole
        groups takes longer still.
        """
        mine = self.__dict__
        for name, value in values.items():
            if mine[name] is not value and (isinstance(value, Settings) or mine[name] != value):
                return self.model_copy(update=values)
        return self


@cache
def _all_defaults(kind: type[Any]) -> Any:
    return kind()
