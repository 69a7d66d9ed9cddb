"""One private Ray cluster for all tests that only need one; logical CPUs, so that the machine may have fewer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """A cluster with four logical CPUs that stays open for the whole session."""
    from ablative.cluster.session import connect

    with connect("local", num_cpus=4):
        yield
