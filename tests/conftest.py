"""Settings that hold for every test."""

from __future__ import annotations

import os

from hypothesis import HealthCheck
from hypothesis import settings

# Set before anything is imported: libraries read these once.
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a missing checkpoint is an error at once, not a minute of retries
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # float sums depend on the number of threads

# How long an example takes depends on what else the machine does: it says nothing about the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
