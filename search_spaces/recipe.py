"""A base that names a recipe: published settings that apply wherever the base itself is silent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ablative.search_spaces.document import Document
from ablative.search_spaces.wording import one_of
from ablative.search_spaces.wording import shown

KEY = "recipe"
Recipes = Mapping[str, Mapping[str, Any]]


def with_recipe(document: Document, recipes: Recipes) -> Document:
    """`document` with the recipe of its base written out; an unknown name is among its mistakes.

    Values in the base win. The resolved base holds everything, so no trial depends on a recipe's name.
    """
    base = document.value.get("base")
    if not isinstance(base, dict) or KEY not in base:
        return document
    own = {name: value for name, value in base.items() if name != KEY}
    name, mistakes = base[KEY], list(document.mistakes)
    if not isinstance(name, str) or name not in recipes:
        mistakes.append(document.mistake(("base", KEY), shown(name), one_of(name, recipes)))
        return replace(document, value={**document.value, "base": own}, mistakes=mistakes)
    return replace(document, value={**document.value, "base": _merged(recipes[name], own)})


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        inner = merged.get(name)
        merged[name] = _merged(inner, value) if isinstance(inner, Mapping) and isinstance(value, Mapping) else value
    return merged
