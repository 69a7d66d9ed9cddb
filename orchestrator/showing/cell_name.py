"""A cell's name in a table on a terminal. On a narrow terminal the name is shortened, never the numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.console import Console
from rich.console import ConsoleOptions
from rich.measure import Measurement
from rich.text import Text

_NARROWEST = 12
"""Fewest columns of a name, on the narrowest terminal."""


class CellName:
    """A long name is broken after its arm and conditions, or shortened if it may have only one line."""

    def __init__(self, name: str, *, one_line: bool = False) -> None:
        self._name = name
        self._one_line = one_line

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(min(_NARROWEST, len(self._name)), len(self._name))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        fitted = _cut if self._one_line else _broken
        yield Text(fitted(self._name, max(1, options.max_width)))


def _cut(name: str, width: int) -> str:
    """Leave out the paths of conditions; if that is not enough, cut from the middle."""
    if len(name) > width:
        arm, bar, conditions = name.partition("|")
        name = f"{arm}{bar}{','.join(part.rpartition('=')[2] for part in conditions.split(','))}"
    if len(name) <= width:
        return name
    begin = width // 2
    return f"{name[:begin]}…{name[len(name) - (width - begin - 1) :]}"


def _broken(name: str, width: int) -> str:
    lines = [""]
    for part in re.findall(r"[^|,]*[|,]|[^|,]+", name):
        if len(lines[-1]) + len(part) <= width:
            lines[-1] += part
        else:
            lines += [part[start : start + width] for start in range(0, len(part), width)]
    return "\n".join(line for line in lines if line)
