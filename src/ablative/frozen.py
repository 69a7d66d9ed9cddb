"""The base of every model that touches a file; any room may import it."""

from __future__ import annotations

from pydantic import BaseModel
from pydantic import ConfigDict


class Frozen(BaseModel):
    """A frozen model that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
