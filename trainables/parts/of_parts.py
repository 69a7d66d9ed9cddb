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
        """Return the parts from which this type was made; its values name them."""
        return bundled()

    def with_options_of(self, kind: type[Part], name: str | None) -> Self:
        """Return a copy in which, of the parts of one kind, only the named one keeps its options."""
        fields = type(self).model_fields
        others = (other for other in self.catalogue().of(kind) if other != name and other in fields)
        return self.changed(**{other: fields[other].default for other in others})
