"""A board whose slots have Ray Train's own controllers, as under a Ray that nobody has tried."""

from __future__ import annotations

from typing import Any

from ablative.cluster import train_run
from ablative.cluster.groups import GroupHost


class Unhosted(GroupHost):
    """An actor of its own process, where no version of Ray is known."""

    def __init__(self, **options: Any) -> None:
        train_run.HOSTED = ()
        super().__init__(**options)
