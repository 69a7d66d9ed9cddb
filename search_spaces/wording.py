"""How values, paths and expectations are put into words."""

from __future__ import annotations

import json
from collections.abc import Iterable
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

Place = tuple[str | int, ...]
"""Keys and indices from the top of a study file."""

_BY_TYPE = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "string_type": "text (in quotes where it looks like a number)",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
    "too_short": "at least one entry",
    "string_too_short": "text that is not empty",
    "string_too_long": "a shorter text",
    "string_pattern_mismatch": "letters, digits, `_`, `-` and `.`, beginning with a letter or digit",
    "none_required": "null",
}
_MOST_NAMES = 12


def shown(value: Any) -> str:
    """A value as it is quoted in a mistake, at most 80 characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:76]} ..."


def dotted(place: Place) -> str:
    """A place as it is quoted in a mistake: `search.space.optim.lr.uniform[0]`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return text.removeprefix(".")


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name most like `name`; for dotted paths one that ends like it comes first."""
    names = list(names)
    endings = [path for path in names if path.endswith(f".{name}")]
    if endings:
        return endings[0]
    lower = {candidate.lower(): candidate for candidate in reversed(names)}
    found = get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
    if not found and "." in name:  # a wrong group with a right field
        found = [path for path in lower if path.rpartition(".")[2] == name.lower().rpartition(".")[2]][:1]
    return lower[found[0]] if found else None


def one_of(name: Any, names: Iterable[Any]) -> str:
    """The nearest of `names`, and all of them where they are few."""
    names = list(names)
    spelled = [choice if isinstance(choice, str) else shown(choice) for choice in names]
    near = nearest(name, spelled) if isinstance(name, str) else None
    listed = ", ".join(spelled[:_MOST_NAMES]) + (", ..." if len(spelled) > _MOST_NAMES else "")
    if near is None:
        return f"one of {listed}" if spelled else "left out"
    return near if len(spelled) > _MOST_NAMES else f"{near} (one of {listed})"


def phrase(detail: Mapping[str, Any]) -> str:
    """The message of one of pydantic's errors, to be read after "should be"."""
    if detail["type"] in _BY_TYPE:
        return _BY_TYPE[detail["type"]]
    return str(detail["msg"]).removeprefix("Input should be ").removeprefix("Value error, ")
