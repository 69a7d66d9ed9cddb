"""The base of every configuration of a trial."""

from __future__ import annotations

from typing import Any
from typing import Self

from pydantic import BaseModel
from pydantic import ConfigDict


class Frozen(BaseModel):
    """A frozen model that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def changed(self, **values: Any) -> Self:
        """Return a copy with these values, which are not validated; itself if it has them already.

        A plan asks for a hundred thousand, and a copy takes ten times as long as a look.
        """
        mine = ((getattr(self, name), value) for name, value in values.items())
        if all(own is value or own == value for own, value in mine):
            return self
        return self.model_copy(update=values)
