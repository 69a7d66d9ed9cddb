"""The bases of every model that touches a file, and of every answer to a program; any room may import them."""

from __future__ import annotations

from pydantic import BaseModel
from pydantic import ConfigDict


class Frozen(BaseModel):
    """A frozen model that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Answer(Frozen):
    """The answer of a command with `--json`; `docs/schemas` is made from these models.

    The docstring below a field, here or in a dataclass that is a field's type, becomes its description there.
    """

    model_config = ConfigDict(use_attribute_docstrings=True, json_schema_serialization_defaults_required=True)

    def as_json(self) -> str:
        """Return the text that the command prints; a number that is not finite becomes null."""
        return self.model_dump_json(indent=2)
