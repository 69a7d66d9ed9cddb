"""Margins as a study file writes them: a number, or a share of the mean of the arm compared with, as `2%`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated
from typing import Any

from pydantic import BeforeValidator
from pydantic import WithJsonSchema
from pydantic_core import PydanticCustomError

MOST = 1e6
MOST_PERCENT = 1000
_SHARE = re.compile(r"([0-9]{1,4}(?:\.[0-9]{1,6})?) ?%")
EXPECTED = "a number above 0 in units of the target, as 0.01, or a share of the reference arm's mean, as 2%"


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """How large a difference matters."""

    value: float
    """In units of the target, or the share."""
    relative: bool = False
    """Whether it is a share of the mean of the arm compared with."""

    def __str__(self) -> str:
        return f"{100 * self.value:g} %" if self.relative else f"{self.value:g}"

    def written(self) -> float | str:
        """Return it as a study file has it."""
        return f"{100 * self.value:.10g}%" if self.relative else self.value


def margin_of(written: float | str | None) -> Margin | None:
    """Return the margin that a study writes; raises ValueError with what is expected."""
    if written is None:
        return None
    if isinstance(written, str):
        found = _SHARE.fullmatch(written)
        percent = float(found.group(1)) if found else 0.0
        if not 0 < percent <= MOST_PERCENT:
            raise ValueError(EXPECTED)
        return Margin(value=percent / 100, relative=True)
    if isinstance(written, bool) or not 0 < written <= MOST:
        raise ValueError(EXPECTED)
    return Margin(value=float(written))


def _checked(value: Any) -> Any:
    if not isinstance(value, int | float | str):
        raise PydanticCustomError("margin", EXPECTED)
    try:
        found = margin_of(value)
    except ValueError:
        raise PydanticCustomError("margin", EXPECTED) from None
    return None if found is None else found.written()


WrittenMargin = Annotated[
    float | str,
    BeforeValidator(_checked),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": MOST},
                {"type": "string", "pattern": f"^{_SHARE.pattern}$"},
            ]
        }
    ),
]
"""In units of the target, or a share: `2%`."""
