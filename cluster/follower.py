"""The thin Tune trainable: it trains nothing, it follows a trial that a worker group works on.

A file of its own, because Tune's actors import it: with little else to import they start sooner.
"""

from __future__ import annotations

from typing import Any

import ray
from ray import tune


class Follower(tune.Trainable):
    """Reports the curve of one trial to Tune until it has ended."""

    def setup(self, config: dict[str, Any], board: Any = None) -> None:
        """`board`: the actor handle, given through `tune.with_parameters`."""
        self._board = board
        self._follow(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Follow another trial with the same actor."""
        self._follow(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Wait for news; return the latest value of each metric of the curve."""
        points, ended = ray.get(self._board.watch.remote(self._trial, self._seen))
        self._seen += len(points)
        return {**{f"{point.split}/{point.metric}": point.value for point in points}, "done": ended}

    def _follow(self, config: dict[str, Any]) -> None:
        self._trial = config["trial"]
        self._seen = 0
