"""Calls of an actor that wait, each woken by what it waits for alone, and never so many that nobody else gets in."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Hashable


class Bells:
    """Those who wait in one event loop, by the bell that they listen to."""

    def __init__(self, places: int) -> None:
        """`places`: how many may wait at once."""
        self._places = places
        self._taken = 0
        self._listening: defaultdict[Hashable, list[asyncio.Future[None]]] = defaultdict(list)

    async def until(self, bell: Hashable, condition: Callable[[], bool]) -> bool:
        """Wait until the condition holds, which is looked at whenever the bell rings; return whether it does.

        It may not hold where all places are taken: the caller has to come again. Nothing happens between the last look
        and the return.
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
        """Wake those who listen to a bell."""
        for rung in self._listening.pop(bell, ()):
            if not rung.done():  # its caller may have left
                rung.set_result(None)

    def ring_all(self) -> None:
        """Wake everybody."""
        for bell in list(self._listening):
            self.ring(bell)
