"""The thin Tune trainable: a lane trains nothing; it wakes the driver whenever its slots have news.

A study has two lanes, whatever its number of trials and slots, because Tune slows down and grows with its trials, and
each needs a process on the head. Tune's actors import this file, so it imports little else and they start sooner.
"""

from __future__ import annotations

from typing import Any

import ray
from ray import tune

from ablative.cluster.tickets import Later

LIFE = 1000
"""Steps after which a new actor takes over the lane, because Tune keeps every step's result while its actor lives."""


class Lane(tune.Trainable):
    """Reports to Tune whenever the board has news for its lane, until the board is closed."""

    def setup(self, config: dict[str, Any], board: Any = None) -> None:
        """`board`: the actor handle, given through `tune.with_parameters`."""
        self._board = board
        self._lane = config["lane"]
        self._seen = 0
        self._left = LIFE - self._lane * LIFE // 7 % (LIFE // 2)  # lanes that started together end one by one

    def step(self) -> dict[str, Any]:
        """Wait for news; the driver fetches it from the board."""
        while isinstance(told := ray.get(self._board.news_of.remote(self._lane, self._seen)), Later):
            told.wait()
        self._seen, closed = told
        self._left -= 1
        return {"lane": self._lane, "done": closed or not self._left}
