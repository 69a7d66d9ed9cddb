"""How a long job tells how far it is; any room may import it."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with the name of a stage, the steps done and their number."""


def silent(stage: str, done: int, total: int) -> None:
    """Tell nobody."""
