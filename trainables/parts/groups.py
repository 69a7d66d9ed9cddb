"""The options of parts as groups of a configuration: one group for each part that has any. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable

from ablative.trainables.parts.part import Options
from ablative.trainables.parts.part import Part
from ablative.trainables.parts.part import PartError


def option_groups(parts: Iterable[Part]) -> dict[str, tuple[type[Options], Options]]:
    """Return name -> (type, defaults) of the options of each part that has any, as fields of a model.

    Raises PartError if an option has no default.
    """
    found: dict[str, tuple[type[Options], Options]] = {}
    for part in parts:
        if part.options is None:
            continue
        try:
            found[part.name] = (part.options, part.options())
        except ValueError as error:
            lines = "; ".join(str(error).splitlines()[1:3]).strip()
            raise PartError(
                f"{part.defined_at}: {part.kind} {part.name}: options need defaults that fit: {lines}"
            ) from error
    return found
