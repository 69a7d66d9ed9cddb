"""The base of all parts: a name, a description, and the options that a study may set. Imports no torch."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from dataclasses import field
from typing import ClassVar
from typing import Literal

from ablative.errors import AblativeError
from ablative.trainables.settings import Settings

Kind = Literal["task", "term", "student", "teacher", "trainable"]
KINDS: tuple[Kind, ...] = ("task", "term", "student", "teacher", "trainable")

_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")


class PartError(AblativeError):
    """A part that is not valid, occurs twice, or does not do what it says; the message names its file and line."""


class Options(Settings):
    """Base of the options that a part lets a study set: typed fields with defaults, ranges and descriptions."""


def _defined_at() -> str:
    """Return `file:line` of the code that makes a part; called from a dataclass's own `__init__`."""
    frame = sys._getframe(2)
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """The description of one part; its functions import what is heavy when they are called."""

    kind: ClassVar[Kind]
    name: str
    """Its name in a study: lower-case letters, digits and underscores."""
    description: str
    """One sentence, shown wherever users choose among parts."""
    options: type[Options] | None = None
    """The part's own settings, in the group of its name. They have no effect where the part is unused."""
    defined_at: str = field(default_factory=_defined_at)
    """`file:line`."""

    def __post_init__(self) -> None:
        """Raise PartError for a name that a study cannot write, or an empty description."""
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise PartError(
                f"{self.defined_at}: {self.kind} {self.name!r}: not a name; use a lower-case letter, then up to 59 "
                "lower-case letters, digits or underscores"
            )
        if not isinstance(self.description, str) or not self.description.strip():
            raise PartError(
                f"{self.defined_at}: {self.kind} {self.name}: description is empty; describe the part in one sentence"
            )
        if self.options is not None and not (isinstance(self.options, type) and issubclass(self.options, Options)):
            raise PartError(
                f"{self.defined_at}: {self.kind} {self.name}: options is {self.options!r}; wanted a class derived "
                "from ablative.Options"
            )
