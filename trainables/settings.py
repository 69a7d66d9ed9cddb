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
"""0 switches off what it weighs."""


class Settings(Frozen):
    """A group of settings; its defaults are checked like what a person writes."""

    model_config = ConfigDict(validate_default=True)

    @classmethod
    def all_defaults(cls) -> Self:
        """Return the group with every field at its default: one object a type, as plans ask for it all the time."""
        found: Self = _all_defaults(cls)
        return found

    def changed(self, **values: Any) -> Self:
        """Return a copy with these values, which are not validated; itself if it is seen to have them already.

        A plan asks for a hundred thousand: a copy takes ten times as long as a look, but a look into groups longer.
        """
        mine = self.__dict__
        for name, value in values.items():
            if mine[name] is not value and (isinstance(value, Settings) or mine[name] != value):
                return self.model_copy(update=values)
        return self


@cache
def _all_defaults(kind: type[Any]) -> Any:
    return kind()
