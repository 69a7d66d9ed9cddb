"""Where a part comes from, and how that enters the ids of trials that use it. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a part comes from."""

    place: str
    """`bundled`, a distribution with its version, or the path by which this process first met a file or folder."""
    identity: str = ""
    """What enters trial ids: the digest of a file or folder, or a distribution's name and version; empty: bundled."""


BUNDLED = Origin(place="bundled")
