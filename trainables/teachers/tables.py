"""The tables of the teacher cache, by name. Imports no torch."""

from __future__ import annotations

from typing import Literal
from typing import get_args

Table = Literal["images", "patches", "regions", "texts", "states", "words", "left_out"]
TABLES: tuple[Table, ...] = get_args(Table)
"""In the order in which they are computed."""
