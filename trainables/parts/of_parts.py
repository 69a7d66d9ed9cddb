"""The base of models whose values name parts. Imports no torch."""

from __future__ import annotations

from typing import Self

from ablative.trainables.parts.catalogue import Catalogue
from ablative.trainables.parts.catalogue import bundled
from ablative.trainables.parts.part import Part
from ablative.trainables.settings import Settings


class OfParts(Settings):
    """A model that names parts."""

    @classmethod
    def catalogue(cls) -> Catalogue:
        """Return the parts that this type was made of, which its values name."""
        return bundled()

    def with_options_of(self, kind: type[Part], name: str | None) -> Self:
        """Return the same with the options of all parts of a kind but the named one at their defaults."""
        fields = type(self).model_fields
        others = (other for other in self.catalogue().of(kind) if other != name and other in fields)
        return self.changed(**{other: fields[other].default for other in others})
