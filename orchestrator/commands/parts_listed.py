"""Everything that a study may name, an entry for each part: what it is, its origin, and its settings."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from typing import Literal

from pydantic import BaseModel

from ablative.frozen import Answer
from ablative.trainables.parts.catalogue import Catalogue
from ablative.trainables.parts.origin import BUNDLED
from ablative.trainables.parts.part import Part
from ablative.trainables.parts.student import Student
from ablative.trainables.parts.teacher import Teacher
from ablative.trainables.parts.term import Term
from ablative.trainables.parts.trainable import Trainable

KINDS: Mapping[str, str] = {
    "task": "task.name",
    "term": "distillation.terms.<name>",
    "score": "distillation.selection.score",
    "weighting": "distillation.weighting.confidence",
    "task_weighting": "distillation.weighting.task",
    "schedule": "distillation.weighting.schedule",
    "student": "student.preset",
    "teacher": "teacher.model",
    "trainable": "trainable",
    "sampler": "search.sampler",
    "stopping": "search.stop.<name>",
}
"""What can be named -> where a study names it: below `base`, but for `trainable` and what begins with `search`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One setting of a part."""

    path: str
    """Dotted path below `base`; a path that begins with `search` is at the top of a study."""
    type: str
    """What it takes, its range included."""
    default: Any
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One part, or one entry of a table."""

    kind: str
    name: str
    description: str
    origin: str
    """`bundled`, a file or folder, or a distribution with its version."""
    options: tuple[Option, ...] = ()


class PartsAnswer(Answer):
    """The answer of `ablate parts --json`."""

    parts_version: Literal[1] = 1
    parts: tuple[Listed, ...]
    left_out: tuple[str, ...]
    """A line for each part of an installed package that was left out."""


def listed(catalogue: Catalogue) -> list[Listed]:
    """Return all parts, kind by kind."""
    return [entry for kind in KINDS for entry in _of_kind(kind, catalogue)]


def _of_kind(kind: str, catalogue: Catalogue) -> Iterator[Listed]:
    """Tables of choices are closed, so all their entries are bundled; users bring parts."""
    if kind in (tables := _tables()):
        for name, entry in tables[kind].items():
            settings = getattr(entry, "settings", None)
            options = tuple(_fields(settings, f"search.stop.{name}.")) if settings is not None else ()
            yield Listed(kind=kind, name=name, description=entry.description, origin=BUNDLED.place, options=options)
        return
    for part, origin in catalogue.listed:
        if part.kind == kind:
            for name, description in _names(part):
                options = tuple(_options(part, catalogue))
                yield Listed(kind=kind, name=name, description=description, origin=origin.place, options=options)


def _tables() -> dict[str, Mapping[str, Any]]:
    from ablative.search_spaces.proposals import SAMPLERS
    from ablative.search_spaces.stopping import RULES
    from ablative.trainables.distillation.schedules import SCHEDULES
    from ablative.trainables.distillation.scores import SCORES
    from ablative.trainables.distillation.weightings import TASK_WEIGHTINGS
    from ablative.trainables.distillation.weightings import WEIGHTINGS

    return {
        "score": SCORES,
        "weighting": WEIGHTINGS,
        "task_weighting": TASK_WEIGHTINGS,
        "schedule": SCHEDULES,
        "sampler": SAMPLERS,
        "stopping": RULES,
    }


def _names(part: Part) -> Iterator[tuple[str, str]]:
    """Yield each name by which a study may name a part, with its description."""
    if isinstance(part, Student):
        for name, preset in part.presets.items():
            yield name, f"{part.name}, {preset.description}: {part.description}"
    elif isinstance(part, Teacher) and part.models is not None:
        place = f", or {part.schema}PATH" if part.schema else ""
        yield part.name, f"{part.description} Named by its model: one of {len(part.models())}{place}."
    else:
        yield part.name, part.description


def _options(part: Part, catalogue: Catalogue) -> Iterator[Option]:
    if isinstance(part, Trainable):
        yield from _fields(part.config_type(catalogue), "")
        return
    if isinstance(part, Term):
        text = f"number from 0; {part.weight:g} is what is published or sensible"
        yield Option(path=f"distillation.terms.{part.name}", type=text, default=0.0, description="Its weight.")
    if part.options is not None:
        group = "distillation" if isinstance(part, Term) else part.kind
        yield from _fields(part.options, f"{group}.{part.name}.")


def _fields(model: type[BaseModel], prefix: str) -> Iterator[Option]:
    """Yield every setting of a model, with dotted paths inside groups."""
    schema = model.model_json_schema()
    yield from _properties(schema, schema.get("$defs", {}), prefix)


def _properties(schema: Mapping[str, Any], known: Mapping[str, Any], prefix: str) -> Iterator[Option]:
    for name, field in schema.get("properties", {}).items():
        group = _resolved(field, known)
        if "properties" in group:
            yield from _properties(group, known, f"{prefix}{name}.")
        else:
            yield Option(
                path=f"{prefix}{name}",
                type=_type(field, known),
                default=field.get("default"),
                description=field.get("description", ""),
            )


def _resolved(field: Mapping[str, Any], known: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = known[field["$ref"].rpartition("/")[2]] if "$ref" in field else field
    return found


_WORDS = {
    "string": "text",
    "boolean": "true or false",
    "null": "nothing",
    "object": "mapping",
    "integer": "whole number",
    "number": "number",
}
_BOUNDS = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}


def _type(field: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """Return what a field of a JSON Schema takes, in words."""
    found = _resolved(field, known)
    for several in ("anyOf", "oneOf"):
        if several in found:
            return " or ".join(dict.fromkeys(_type(one, known) for one in found[several]))
    if "enum" in found or "const" in found:
        return f"one of {', '.join(map(str, found.get('enum', [found.get('const')])))}"
    if found.get("type") == "array":
        return f"list of {_type(found['items'], known)}" if "items" in found else "list"
    word = _WORDS.get(str(found.get("type")), "any value")
    bounds = [f"{said} {found[bound]:g}" for bound, said in _BOUNDS.items() if bound in found]
    return " ".join([word, *bounds])


def lines(entries: Sequence[Listed], *, whole: bool) -> Iterator[str]:
    """Yield the entries as lines, each with its settings; the many settings of bundled trainables only if `whole`."""
    for kind, where in KINDS.items():
        found = [entry for entry in entries if entry.kind == kind]
        if not found:
            continue
        yield f"{kind}  ({where})"
        width = max(len(entry.name) for entry in found)
        for number, entry in enumerate(found):
            origin = "" if entry.origin == BUNDLED.place else f"  [{_short(entry.origin)}]"
            yield f"  {entry.name:<{width}}  {entry.description}{origin}"
            is_last = number + 1 == len(found) or found[number + 1].options != entry.options  # presets share theirs
            if is_last and (whole or kind != "trainable" or origin):
                for option in entry.options:
                    default = "" if option.default is None else f" [{option.default}]"
                    yield f"      {option.path}: {option.type}{default}. {option.description}".rstrip()


def _short(origin: str) -> str:
    """Return the place of a file, relative to the current folder."""
    path = Path(origin)
    return str(path.relative_to(Path.cwd())) if path.is_absolute() and path.is_relative_to(Path.cwd()) else origin
