"""A sound study, with what its trials are made of."""

from __future__ import annotations

from dataclasses import dataclass

from ablative.search_spaces.load import LoadedStudy
from ablative.trainables.parts.catalogue import Catalogue
from ablative.trainables.parts.trainable import Trainable


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded(LoadedStudy):
    """What the commands work with."""

    trainable: Trainable
    catalogue: Catalogue
