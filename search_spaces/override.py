"""Trailing ``a.b=value`` overrides: they address the study file's own places, and values are YAML."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ablative.search_spaces.document import Document
from ablative.search_spaces.document import Origin
from ablative.search_spaces.document import read_value
from ablative.search_spaces.errors import Mistake
from ablative.search_spaces.errors import StudyError
from ablative.search_spaces.wording import Place
from ablative.search_spaces.wording import dotted
from ablative.search_spaces.wording import shown

# Below these places the keys are dotted paths themselves; * is any key.
_DOTTED: tuple[tuple[str, ...], ...] = (
    ("conditions",),
    ("search", "space"),
    ("search", "space", "*", "when"),
    ("arms", "listed", "*"),
    ("arms", "controls", "*"),
    ("arms", "factors", "*", "without"),
    ("arms", "factors", "*", "with"),
    ("arms", "factors", "*", "levels", "*"),
)


def _has_dotted_keys(place: Place) -> bool:
    return any(
        len(pattern) == len(place) and all(p in ("*", step) for p, step in zip(pattern, place, strict=True))
        for pattern in _DOTTED
    )


def find_place(tree: Any, key: str, place: Place = ()) -> Place:
    """The place that `key` addresses: along existing keys as far as possible, then by dots."""
    if isinstance(tree, dict):
        present = [name for name in tree if key == name or key.startswith(f"{name}.")]
        if present:
            name = max(present, key=len)
            return (*place, name) if key == name else find_place(tree[name], key[len(name) + 1 :], (*place, name))
    if _has_dotted_keys(place):
        return (*place, key)
    name, dot, rest = key.partition(".")
    return find_place(None, rest, (*place, name)) if dot else (*place, name)


def _put(tree: dict[str, Any], place: Place, value: Any) -> Place | None:
    """Set the value at `place`; if something other than a mapping is in the way, return its place."""
    branch: Any = tree
    for depth, step in enumerate(place[:-1]):
        if branch.get(step) is None:
            branch[step] = {}
        branch = branch[step]
        if not isinstance(branch, dict):
            return place[: depth + 1]
    branch[place[-1]] = value
    return None


def _one(document: Document, override: str) -> None:
    label = f"override {override}"

    def note(path: str, found: str, expected: str) -> None:
        document.mistakes.append(Mistake(file=label, line=None, path=path, found=found, expected=expected))

    key, equals, text = override.partition("=")
    key = key.strip()
    if not equals or not key:
        return note("", shown(override), "path=value, e.g. search.trials=8")
    try:
        read = read_value(text, label)
    except StudyError as error:
        document.mistakes.extend(replace(mistake, line=None) for mistake in error.mistakes)
        return None
    place = find_place(document.value, key)
    for mistake in read.mistakes:
        inside = mistake.path if mistake.path.startswith("[") or not mistake.path else f".{mistake.path}"
        document.mistakes.append(replace(mistake, line=None, path=f"{dotted(place)}{inside}"))
    blocked = _put(document.value, place, read.value["value"])
    if blocked is not None:
        return note(
            dotted(place),
            f"a value at {dotted(blocked)} that is not a mapping",
            f"an override that replaces {dotted(blocked)} as a whole",
        )
    for old in [known for known in document.origins if known[: len(place)] == place]:
        del document.origins[old]
    document.origins.update({(*place, *inner): origin for inner, origin in read.origins.items()})
    for around in (place[:depth] for depth in range(1, len(place))):  # mappings that the override has made
        document.origins.setdefault(around, Origin(file=label, line=None))
    return None


def overridden(document: Document, overrides: Sequence[str]) -> Document:
    """`document` with the overrides applied in order; impossible overrides are among its mistakes."""
    changed = Document(
        file=document.file,
        value=copy.deepcopy(document.value),
        origins=dict(document.origins),
        mistakes=list(document.mistakes),
    )
    for override in overrides:
        _one(changed, override)
    _lower_batch(changed)
    return changed


def _lower_batch(document: Document) -> None:
    """An override of the trials to fewer than the file's batch makes the batch as small."""
    search = document.value.get("search")
    trials, batch = (search.get(key) for key in ("trials", "batch")) if isinstance(search, dict) else (None, None)
    if not (isinstance(trials, int) and isinstance(batch, int) and 1 <= trials < batch):
        return
    override = document.origins.get(("search", "trials"))
    written = document.origins.get(("search", "batch"))
    if override is not None and override.line is None and written is not None and written.line is not None:
        document.value["search"]["batch"] = trials
