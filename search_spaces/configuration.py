"""Dotted paths into a trial configuration: which fields there are, which values fit, and configurations by value."""

from __future__ import annotations

import json
from collections.abc import Iterator
from collections.abc import Mapping
from functools import cache
from operator import attrgetter
from typing import Annotated
from typing import Any
from typing import Literal
from typing import TypeGuard
from typing import TypeVar
from typing import get_args
from typing import get_origin

from pydantic import BaseModel
from pydantic import TypeAdapter
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from ablative.search_spaces.wording import one_of
from ablative.search_spaces.wording import phrase

Config = TypeVar("Config", bound=BaseModel)


LEAST = 1e-9
"""Size of a number that makes a difference anywhere."""


def is_group(annotation: Any) -> TypeGuard[type[BaseModel]]:
    """Whether a field of this type has fields of its own."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _walk(config_type: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in config_type.model_fields.items():
        yield prefix + name, field
        if is_group(field.annotation):
            yield from _walk(field.annotation, f"{prefix}{name}.")


@cache
def leaves(config_type: type[BaseModel]) -> Mapping[str, FieldInfo]:
    """Dotted path -> field, for every field that holds a value, in the order of declaration."""
    return {path: field for path, field in _walk(config_type) if not is_group(field.annotation)}


@cache
def groups(config_type: type[BaseModel]) -> Mapping[str, FieldInfo]:
    """Dotted path -> field, for every field that has fields of its own."""
    return {path: field for path, field in _walk(config_type) if is_group(field.annotation)}


@cache
def adapter(config_type: type[BaseModel], path: str) -> TypeAdapter[Any]:
    """Validator of the values that the leaf at `path` takes."""
    field = leaves(config_type)[path]
    annotation: Any = field.annotation
    return TypeAdapter(Annotated[(annotation, *field.metadata)] if field.metadata else annotation)


def options(annotation: Any) -> tuple[Any, ...]:
    """The values that a Literal type (or a union with one) allows; empty for other types."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return tuple(option for part in get_args(annotation) for option in options(part))


@cache
def kinds(config_type: type[BaseModel], path: str) -> frozenset[type]:
    """The scalar types that the leaf at `path` takes: some of bool, int, float, str, NoneType."""
    annotation = leaves(config_type)[path].annotation
    parts = (annotation, *get_args(annotation))
    named = {part for part in parts if part in (bool, int, float, str, type(None))}
    return frozenset(named | {type(option) for option in options(annotation)})


def expectation(config_type: type[BaseModel], path: str, value: Any) -> str | None:
    """What the leaf at `path` accepts instead of `value`; None if `value` fits."""
    try:
        adapter(config_type, path).validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        choices = options(leaves(config_type)[path].annotation)
        if choices:
            return one_of(value, choices)
        field = leaves(config_type)[path]
        limits = (*field.metadata, *constraints(field.annotation))
        return " or ".join(dict.fromkeys(phrase(detail, limits) for detail in error.errors()))
    return None


def constraints(annotation: Any) -> tuple[Any, ...]:
    """Pydantic's constraints on values of this type, also if it is optional."""
    own = getattr(annotation, "__metadata__", ())
    return (*own, *(part for member in get_args(annotation) for part in getattr(member, "__metadata__", ())))


def negligible(value: Any) -> str | None:
    """The replacement for a number that is too small to matter; None for 0 and for all other numbers."""
    is_small = isinstance(value, float) and 0 < abs(value) < LEAST
    return f"0, or at least {LEAST:g}".replace("e-0", "e-") if is_small else None


def unusual(config_type: type[BaseModel], path: str, value: Any) -> str | None:
    """The usual range of the leaf at `path`, and the reason; None if `value` lies inside."""
    extra = leaves(config_type)[path].json_schema_extra
    said = extra if isinstance(extra, dict) else {}
    most = said.get("usual_maximum")
    if not isinstance(most, int | float) or not isinstance(value, int | float) or value <= most:
        return None
    return f"at most {most}, because {said['beyond']}"


def flatten(config_type: type[BaseModel], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Changes by leaf: a mapping given for a group stands for changes of the fields inside it."""
    flat: dict[str, Any] = {}
    for path, value in changes.items():
        if path in groups(config_type) and isinstance(value, Mapping):
            flat |= flatten(config_type, {f"{path}.{name}": inner for name, inner in value.items()})
        else:
            flat[path] = value
    return flat


def value_at(config: BaseModel, path: str) -> Any:
    """The value of the leaf at `path`."""
    return _getter(path)(config)


def differing(one: Config, other: Config) -> list[str]:
    """The paths of the leaves in which two configurations differ."""
    paths = tuple(leaves(type(one)))
    pairs = zip(paths, _getter(*paths)(one), _getter(*paths)(other), strict=True)
    return [path for path, mine, theirs in pairs if mine != theirs]


@cache
def _getter(*paths: str) -> attrgetter[Any]:
    return attrgetter(*paths)


def replaced(config: Config, changes: Mapping[str, Any]) -> Config:
    """`config` with the leaves of `changes` replaced, each validated, and together where a model asks for it."""
    if not changes:
        return config
    tree: dict[str, Any] = {}
    for path, value in changes.items():
        *parents, name = path.split(".")
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[name] = adapter(type(config), path).validate_python(value)
    changed = _copied(config, tree)
    # Validating the whole takes ten times as long, which a plan of 100,000 trials would feel.
    return type(config).model_validate(changed.model_dump()) if _combines(type(config)) else changed


def _copied(config: Config, tree: Mapping[str, Any]) -> Config:
    update = {
        name: _copied(getattr(config, name), value) if isinstance(value, dict) else value
        for name, value in tree.items()
    }
    return config.model_copy(update=update)


@cache
def _combines(config_type: type[BaseModel]) -> bool:
    """Whether a model has rules that look at several fields at once."""
    inner = (field.annotation for field in groups(config_type).values())
    models = (config_type, *(model for model in inner if is_group(model)))
    return any(model.__pydantic_decorators__.model_validators for model in models)
