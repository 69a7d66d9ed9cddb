"""The base of every configuration of a trial."""

from __future__ import annotations

from pydantic import BaseModel
from pydantic import ConfigDict


class Frozen(BaseModel):
    """A frozen model that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
