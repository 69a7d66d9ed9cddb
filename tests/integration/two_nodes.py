"""Two Ray nodes of one CPU each, until standard input ends: `python two_nodes.py` prints the address of the first."""

from __future__ import annotations

import os
import sys

from ablative.cluster.session import ENVIRONMENT


def main() -> None:
    """Start them with the Python that runs this, whose packages their workers have."""
    os.environ.update(ENVIRONMENT)
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        cluster.add_node(num_cpus=1)
        print(cluster.address, flush=True)
        sys.stdin.read()
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main()
