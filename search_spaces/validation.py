"""Pydantic's errors as mistakes in a study file."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from types import UnionType
from typing import Annotated
from typing import Any
from typing import Union
from typing import get_args
from typing import get_origin

from pydantic import BaseModel

from ablative.search_spaces.configuration import constraints
from ablative.search_spaces.configuration import is_group
from ablative.search_spaces.configuration import options
from ablative.search_spaces.document import Document
from ablative.search_spaces.domains import DOMAINS
from ablative.search_spaces.errors import Mistake
from ablative.search_spaces.wording import Place
from ablative.search_spaces.wording import one_of
from ablative.search_spaces.wording import phrase
from ablative.search_spaces.wording import shown

Location = tuple[str | int, ...]


def written_place(detail: Mapping[str, Any], tree: Any) -> Place:
    """The place of an error in `tree`: steps that only name a member of a union are left out."""
    place: list[str | int] = []
    for count, step in enumerate(detail["loc"], start=1):
        if (isinstance(tree, dict) and step in tree) or (isinstance(tree, list) and isinstance(step, int)):
            tree = tree[step]
            place.append(step)
        elif detail["type"] == "missing" and count == len(detail["loc"]):
            place.append(step)
    return tuple(place)


def translated(document: Document, model: type[BaseModel], detail: Mapping[str, Any], tree: Any) -> Mistake:
    """One error of validating `tree` by `model`, in the study's words."""
    place, kind, value = written_place(detail, tree), detail["type"], detail["input"]
    if kind == "extra_forbidden":
        return document.mistake(place, "an unknown key", _known_key(model, detail["loc"]))
    if kind == "missing":
        return document.mistake(place, "nothing", "given")
    return document.mistake(place, shown(value), _expected(model, detail))


def _expected(model: type[BaseModel], detail: Mapping[str, Any]) -> str:
    value = detail["input"]
    if detail["type"] == "literal_error":
        types = annotations_at(model, detail["loc"])
        return one_of(value, [option for annotation in types for option in options(annotation)])
    if detail["type"] == "domain" and isinstance(value, dict):
        return _known_domain(value)
    if detail["type"] == "domain" and isinstance(value, list) and len(detail["loc"]) == 3:
        return _domain_of(value)
    return phrase(detail, [part for held in annotations_at(model, detail["loc"]) for part in constraints(held)])


def _known_key(model: type[BaseModel], location: Location) -> str:
    names = dict.fromkeys(name for parent in annotations_at(model, location[:-1]) for name in _field_names(parent))
    first, *rest = str(location[-1]).split(".")
    if rest and first in names:
        return "nested: " + ": {".join([first, *rest]) + ": ..." + "}" * len(rest)
    return one_of(str(location[-1]), names)


def _known_domain(value: Mapping[str, Any]) -> str:
    keys = [key for key in value if key != "when"]
    if sum(key in DOMAINS for key in keys) > 1:
        return "one domain, not several"
    return one_of(keys[0] if keys else None, DOMAINS)


def _domain_of(values: list[Any]) -> str:
    """The domain that a bare list may stand for."""
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(values) != 2 or len(numbers) < 2:
        return f"a domain, such as {{choice: {shown(values)}}}"
    low, high = sorted(numbers)
    kind = "loguniform" if low > 0 and high >= 10 * low else "uniform"
    if all(isinstance(value, int) for value in numbers):
        kind, high = "lograndint" if kind == "loguniform" else "randint", high + 1
    return f"a domain, such as {{{kind}: {shown([low, high])}}} or {{choice: {shown(values)}}}"


def _field_names(annotation: Any) -> Iterator[str]:
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if is_group(annotation):
        for name, field in annotation.model_fields.items():
            yield str(field.validation_alias or name)


def annotations_at(annotation: Any, location: Location) -> list[Any]:
    """The types, with their constraints, that a value at `location` inside a value of type `annotation` may have."""
    bare = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    if get_origin(bare) in (Union, UnionType):
        return [found for member in get_args(bare) for found in annotations_at(member, location)]
    if not location:
        return [annotation]
    first, rest = location[0], location[1:]
    if str(first).startswith("<"):  # names a member of a union
        return annotations_at(annotation, rest)
    return [found for inner in _inside(bare, first) for found in annotations_at(inner, rest)]


def _inside(annotation: Any, step: str | int) -> list[Any]:
    if is_group(annotation):
        fields = annotation.model_fields.items()
        return [
            Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
            for name, field in fields
            if step in (name, field.validation_alias)
        ]
    if get_origin(annotation) is dict:
        return [get_args(annotation)[1]]
    return [get_args(annotation)[0]] if get_origin(annotation) is tuple else []
