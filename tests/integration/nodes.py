"""Ray nodes of one CPU each, until standard input ends: `python nodes.py N` prints where Ray is, and its jobs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def nodes(count: int, python: Path, environment: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Start nodes with a Python, whose packages their workers have; give the addresses of Ray and of its jobs."""
    with subprocess.Popen(
        [str(python), __file__, str(count)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        address, _, jobs = process.stdout.readline().strip().partition(" ")
        assert address, "the nodes did not start"
        try:
            yield address, jobs
        finally:
            process.stdin.close()
            process.wait(timeout=60)


def main() -> None:
    """Start them, and end them when standard input ends."""
    from ablative.cluster.session import ENVIRONMENT

    os.environ.update(ENVIRONMENT)
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": True, "dashboard_port": 0}
    )
    try:
        for _ in range(int(sys.argv[1]) - 1):
            cluster.add_node(num_cpus=1)
        print(cluster.address, f"http://{cluster.head_node.webui_url}", flush=True)
        sys.stdin.read()
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main()
