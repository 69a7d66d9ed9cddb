"""What the benchmarks by simulation share: the options, and the points that they print as they are found."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any


def options(description: str | None, quick: str = "few studies a point") -> argparse.ArgumentParser:
    """Return a parser with the one option of every benchmark; `quick` says what is less by it."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=quick)
    return parser


class Simulation:
    """Points of a benchmark, each from many simulated studies; `benchmark` is its name."""

    def __init__(
        self, benchmark: str, parser: argparse.ArgumentParser, *, studies: int, quick: int, each: str = "a point"
    ) -> None:
        """Read the command line. `studies`, `quick`: how many of `each` by default, and with `--quick`."""
        parser.add_argument("--studies", type=int, default=studies, help=f"studies {each} [{studies}]")
        parser.add_argument("--seed", type=int, default=0)
        self.options = parser.parse_args()
        self.quick: bool = self.options.quick
        self.studies: int = quick if self.quick else self.options.studies
        self.seed: int = self.options.seed
        self._benchmark = benchmark
        self._began = time.perf_counter()
        self._points: list[dict[str, Any]] = []

    def add(self, point: dict[str, Any]) -> None:
        """Print a point and keep it."""
        self._points.append(point)
        print(json.dumps(point), flush=True)

    def end(self, alpha: float | None = None) -> None:
        """Print all of it in one line; with the standard error of a share that is `alpha`, where one is given."""
        told: dict[str, Any] = {"benchmark": self._benchmark, "studies": self.studies}
        if alpha is not None:
            told["error"] = round((alpha * (1 - alpha) / self.studies) ** 0.5, 4)
        told |= {"s": round(time.perf_counter() - self._began, 1), "points": self._points}
        print(json.dumps(told))
