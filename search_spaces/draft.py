"""The first check of a study: whether every section has the right shape.

Sound parts of a bad section are kept, so that later checks can still cover them.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic import ValidationError
from pydantic import create_model
from pydantic_core import ErrorDetails

from ablative.search_spaces.configuration import groups
from ablative.search_spaces.configuration import leaves
from ablative.search_spaces.document import Document
from ablative.search_spaces.errors import Mistake
from ablative.search_spaces.nearest import nearest
from ablative.search_spaces.study import Study
from ablative.search_spaces.validation import translated
from ablative.search_spaces.validation import written_place
from ablative.search_spaces.wording import Place
from ablative.search_spaces.wording import one_of

Tree = dict[str, Any]
_STAND_INS: Tree = {"study": "study", "question": "?", "base": {}}
"""For the sections that every study must have, so that each section can be looked at by itself."""
_ROUNDS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The parts of a study that have the right shape."""

    study: Study
    """A section that is missing or entirely bad has its defaults."""
    base: BaseModel | None
    """The base configuration; None if all of it is bad."""
    mistakes: tuple[Mistake, ...]


def draft(document: Document, config_type: type[BaseModel]) -> Draft:
    """Check the shape of each section by itself, and keep the sound parts."""
    mistakes = list(_section_names(document, config_type))
    sections: Tree = {}
    for name in document.value.keys() & Study.model_fields.keys():
        tree = {name: document.value[name]}
        sound, details = _salvage(lambda tree: Study.model_validate(_STAND_INS | tree), tree)
        mistakes += [translated(document, Study, detail, tree) for detail in details]
        sections |= {} if sound is None else {name: getattr(sound, name)}
    tree = {"base": sections.get("base", {})}
    based = create_model("Based", base=(config_type, config_type()))
    # Strict JSON: scalars are taken as they are written, and lists may still become tuples.
    sound, details = _salvage(
        lambda tree: based.model_validate_json(json.dumps({"base": {}} | tree), strict=True), tree
    )
    mistakes += [translated(document, based, detail, tree) for detail in details]
    study = Study.model_construct(**(_STAND_INS | sections))
    return Draft(study=study, base=getattr(sound, "base", None), mistakes=tuple(mistakes))


def section(mistake: Mistake) -> str:
    """The top key that a mistake lies under."""
    return mistake.path.partition(".")[0].partition("[")[0]


def _section_names(document: Document, config_type: type[BaseModel]) -> Iterator[Mistake]:
    for name, value in document.value.items():
        if name not in Study.model_fields:
            yield document.mistake((name,), "an unknown key", _meant(name, value, config_type))
    meant = {nearest(name, Study.model_fields) for name in document.value}
    for name in _STAND_INS:
        if name not in meant:
            yield document.mistake((name,), "nothing", f"given: {Study.model_fields[name].description}")


def _meant(name: str, value: Any, config_type: type[BaseModel]) -> str:
    """The section that a key stands for, or the place in the base."""
    if nearest(name, Study.model_fields) is not None:
        return one_of(name, Study.model_fields)
    paths = (*leaves(config_type), *groups(config_type))
    path = name
    while isinstance(value, dict) and len(value) == 1:  # of an override, the whole path
        ((step, value),) = value.items()
        path = f"{path}.{step}"
    for written in (path, name):
        if written in paths or any(known.endswith(f".{written}") for known in paths):
            return f"base.{nearest(written, paths) if written not in paths else written}"
    return one_of(name, Study.model_fields)


def _salvage(check: Callable[[Tree], BaseModel], tree: Tree) -> tuple[BaseModel | None, list[ErrorDetails]]:
    """The model of `tree` without its bad parts (None if there is none), and pydantic's errors about them."""
    tree = copy.deepcopy(tree)
    first: list[ErrorDetails] = []
    for _ in range(_ROUNDS):
        try:
            return check(tree), first
        except ValidationError as error:
            details = [detail for detail in error.errors() if not _follows(detail, error)]
        first = first or details  # later errors may only follow from the parts left out
        for place in sorted({written_place(detail, tree) for detail in details}, key=_order, reverse=True):
            _remove(tree, place)
    return None, first


def _follows(detail: Mapping[str, Any], error: ValidationError) -> bool:
    """Whether an error only says that a list is too short because its items are bad."""
    location = detail["loc"]
    others = (other["loc"] for other in error.errors() if other["loc"] != location)
    return detail["type"] == "too_short" and any(other[: len(location)] == location for other in others)


def _order(place: Place) -> list[str]:
    """Sorts inner places after outer ones, and items by their index."""
    return [str(step).zfill(9) for step in place]


def _remove(tree: Tree, place: Place) -> None:
    branch: Any = tree
    for step in place[:-1]:
        branch = branch[step]
    if isinstance(branch, dict):
        branch.pop(place[-1], None)
    else:
        del branch[place[-1]]
