"""Settings that hold for every test."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings

# Set before anything is imported: libraries read these once.
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a missing checkpoint is an error at once, not a minute of retries
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # float sums depend on the number of threads
# A process of Ray imports 1,500 files: where what is compiled may not be kept, half of the suite's time is compiling.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# How long an example takes depends on what else the machine does: it says nothing about the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

ON_MACHINES = {"test_ray_far_data.py", "test_ray_launch_files.py", "test_ray_machines.py", "test_ray_submit.py"}
"""Ray's tests in namespaces of their own, which disturb no cluster of this machine and wait much."""
SLOW = 20
"""How many quick tests take as long as a slow one, roughly."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Side by side, what takes longest comes first, so that no process is left with it at the end."""
    if not hasattr(config, "workerinput"):
        return
    length: Counter[Path] = Counter()
    for item in items:
        length[item.path] += SLOW if item.get_closest_marker("slow") else 1
    items.sort(key=lambda item: (not _is_on_ray(item.path.name), -length[item.path], item.path))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep a file's tests in one process, for what they share; and Ray's, whose clusters would find each other."""
    from xdist.scheduler.loadfile import LoadFileScheduling

    class Together(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = str(super()._split_scope(nodeid))
            name = Path(file).name
            return ("machines" if name in ON_MACHINES else "ray") if _is_on_ray(name) else file

    config.option.loadscopereorder = False
    return Together(config, log)


def _is_on_ray(name: str) -> bool:
    return name.startswith("test_ray_")
