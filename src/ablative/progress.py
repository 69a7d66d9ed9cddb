"""How a long job reports its progress; any room may import it."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with the name of a stage, the steps done and the total."""


def silent(stage: str, done: int, total: int) -> None:
    """Tell nobody."""
