"""How values, paths and expectations are put into words."""

from __future__ import annotations

import json
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from ablative.search_spaces.nearest import nearest

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
_OF_A_RANGE = {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$"
"""Pattern of the names in a study file."""
_MOST_NAMES = 12


def shown(value: Any) -> str:
    """A value as it is quoted in a mistake, at most 80 characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:76]} ..."


def dotted(place: Place) -> str:
    """A place as it is quoted in a mistake: `search.space.optim.lr.uniform[0]`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return text.removeprefix(".")


def one_of(name: Any, names: Iterable[Any]) -> str:
    """The nearest of `names`, and all of them where they are few."""
    names = list(names)
    spelled = [choice if isinstance(choice, str) else shown(choice) for choice in names]
    near = nearest(name, spelled) if isinstance(name, str) else None
    listed = ", ".join(spelled[:_MOST_NAMES]) + (", ..." if len(spelled) > _MOST_NAMES else "")
    if near is None:
        return f"one of {listed}" if spelled else "left out"
    return near if len(spelled) > _MOST_NAMES else f"{near} (one of {listed})"


def interval(metadata: Iterable[Any]) -> str | None:
    """The range of a number with these constraints of pydantic's, if it has two ends."""
    bounds: dict[str, str] = {}
    for limit in (part for given in metadata for part in getattr(given, "metadata", [given])):
        for name, word in (("ge", "at least"), ("gt", "above"), ("le", "at most"), ("lt", "below")):
            if (value := getattr(limit, name, None)) is not None:
                bounds[name[0]] = f"{word} {_short(value)}"
    return f"{bounds['g']} and {bounds['l']}" if len(bounds) == 2 else None


def _short(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}".replace("e-0", "e-").replace("e+0", "e")


def phrase(detail: Mapping[str, Any], metadata: Iterable[Any] = ()) -> str:
    """The message of one of pydantic's errors, to be read after "should be"; `metadata`: the field's constraints."""
    if detail["type"] in _OF_A_RANGE and (whole := interval(metadata)):
        return whole
    if detail["type"] == "string_pattern_mismatch" and detail["ctx"]["pattern"] != NAME:
        return "text on one line, without spaces at either end"
    if detail["type"] in _BY_TYPE:
        return _BY_TYPE[detail["type"]]
    return str(detail["msg"]).removeprefix("Input should be ").removeprefix("Value error, ")
