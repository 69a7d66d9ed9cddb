"""The thin Tune trainable: a lane trains nothing, it wakes the driver whenever there is news of its slot.

A study has as many Tune trials as slots, whatever its own number of trials: Tune slows down and grows with its trials.
A file of its own, because Tune's actors import it: with little else to import they start sooner.
"""

from __future__ import annotations

from typing import Any

import ray
from ray import tune


class Lane(tune.Trainable):
    """Reports to Tune whenever the board has news of one slot, until the board closes."""

    def setup(self, config: dict[str, Any], board: Any = None) -> None:
        """`board`: the actor handle, given through `tune.with_parameters`."""
        self._board = board
        self._slot = config["slot"]
        self._seen = 0

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Serve another slot with the same actor."""
        self._slot, self._seen = new_config["slot"], 0
        return True

    def step(self) -> dict[str, Any]:
        """Wait for news; the driver asks the board what it is."""
        self._seen, closed = ray.get(self._board.news_of.remote(self._slot, self._seen))
        return {"slot": self._slot, "done": closed}
