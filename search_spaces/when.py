"""When a parameter is searched: ``{path: value}``, ``{path: {not: value}}`` or ``{path: {in: [values]}}``."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from typing import Annotated
from typing import Any

from pydantic import BeforeValidator
from pydantic import WithJsonSchema
from pydantic_core import PydanticCustomError

_SCALAR: dict[str, Any] = {"type": ["string", "number", "boolean", "null"]}
_SEVERAL: dict[str, Any] = {"type": "array", "items": _SCALAR, "minItems": 1}


def _object(key: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {key: value}, "required": [key], "additionalProperties": False}


REQUIREMENT_SCHEMA: dict[str, Any] = {
    "anyOf": [_SCALAR, _object("not", {"anyOf": [_SCALAR, _SEVERAL]}), _object("in", _SEVERAL)]
}


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, (str, int, float, bool))


def _are_scalars(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) > 0 and all(_is_scalar(item) for item in value)


def _well_formed(value: Any) -> Any:
    if isinstance(value, dict) and len(value) == 1:
        (word, operand), *_ = value.items()
        good = (word == "in" and _are_scalars(operand)) or (
            word == "not" and (_is_scalar(operand) or _are_scalars(operand))
        )
    else:
        good = _is_scalar(value)
    if not good:
        raise PydanticCustomError("requirement", "a value, {not: value} or {in: [values]}")
    return value


Requirement = Annotated[Any, BeforeValidator(_well_formed), WithJsonSchema(REQUIREMENT_SCHEMA)]
When = dict[str, Requirement]


def mentioned(requirement: Any) -> tuple[Any, ...]:
    """The values that `requirement` names."""
    operand = next(iter(requirement.values())) if isinstance(requirement, Mapping) else requirement
    return tuple(operand) if isinstance(operand, (list, tuple)) else (operand,)


def accepts(requirement: Any, value: Any) -> bool:
    """Whether `value` meets `requirement`."""
    negative = isinstance(requirement, Mapping) and "not" in requirement
    return (value in mentioned(requirement)) is not negative


def holds(when: Mapping[str, Any], value_at: Callable[[str], Any]) -> bool:
    """Whether every requirement of `when` is met, `value_at(path)` being the present value at a path."""
    return all(accepts(requirement, value_at(path)) for path, requirement in when.items())
