"""The base of models whose values name parts. Imports no torch."""

from __future__ import annotations

from ablative.trainables.parts.catalogue import Catalogue
from ablative.trainables.parts.catalogue import bundled
from ablative.trainables.settings import Settings


class OfParts(Settings):
    """A model that names parts."""

    @classmethod
    def catalogue(cls) -> Catalogue:
        """Return the parts that this type was made of, which its values name."""
        return bundled()
