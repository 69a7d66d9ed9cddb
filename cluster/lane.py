"""The thin Tune trainable: a lane trains nothing, it wakes the driver whenever there is news of its slot.

A study has as many Tune trials as slots, whatever its own number of trials: Tune slows down and grows with its trials.
A file of its own, because Tune's actors import it: with little else to import they start sooner.
"""

from __future__ import annotations

from typing import Any

import ray
from ray import tune

from ablative.cluster.tickets import Later

LIFE = 1000
"""Steps after which another actor takes the lane over: Tune keeps every step's result as long as its actor lives."""


class Lane(tune.Trainable):
    """Reports to Tune whenever the board has news of one slot, until the board closes."""

    def setup(self, config: dict[str, Any], board: Any = None) -> None:
        """`board`: the actor handle, given through `tune.with_parameters`."""
        self._board = board
        self._slot = config["slot"]
        self._seen = 0
        self._left = LIFE - self._slot * LIFE // 7 % (LIFE // 2)  # lanes that began together end one by one

    def step(self) -> dict[str, Any]:
        """Wait for news; the driver asks the board what it is."""
        while isinstance(told := ray.get(self._board.news_of.remote(self._slot, self._seen)), Later):
            told.wait()
        self._seen, closed = told
        self._left -= 1
        return {"slot": self._slot, "done": closed or not self._left}
