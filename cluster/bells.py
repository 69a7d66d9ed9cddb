"""Waiting calls of an actor. Each wakes only for its own event, and their number leaves room for other calls."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Hashable


class Bells:
    """The waiting calls of one event loop, by bell."""

    def __init__(self, places: int) -> None:
        """`places`: how many calls may wait at once."""
        self._places = places
        self._taken = 0
        self._listening: defaultdict[Hashable, list[asyncio.Future[None]]] = defaultdict(list)

    async def until(self, bell: Hashable, condition: Callable[[], bool]) -> bool:
        """Wait until the condition holds, checking it whenever the bell rings; return whether it does.

        If all places are taken it may not hold, and the caller has to call again. Nothing happens between the last
        check and the return.
        """
        if condition():
            return True
        if self._taken >= self._places:
            return False
        self._taken += 1
        try:
            while not condition():
                rung: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._listening[bell].append(rung)
                await rung
        finally:
            self._taken -= 1
        return True

    def ring(self, bell: Hashable) -> None:
        """Wake the calls that wait for a bell."""
        for rung in self._listening.pop(bell, ()):
            if not rung.done():  # its caller may have left
                rung.set_result(None)

    def ring_all(self) -> None:
        """Wake everybody."""
        for bell in list(self._listening):
            self.ring(bell)
