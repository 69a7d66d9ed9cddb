from __future__ import annotations

import pytest

from cluster.executor import capacity
from orchestrator.errors import ClusterError
from search_spaces.study import Resources


def test_as_many_trials_run_at_once_as_the_cluster_holds() -> None:
    assert capacity(Resources(workers=2, cpus_per_worker=2), {"CPU": 15.0}) == 3
    assert capacity(Resources(gpus_per_worker=0.1), {"CPU": 64.0, "GPU": 0.3}) == 3


def test_a_study_may_ask_for_fewer_at_once() -> None:
    assert capacity(Resources(max_concurrent=2), {"CPU": 8.0}) == 2
    assert capacity(Resources(max_concurrent=20), {"CPU": 8.0}) == 8


def test_a_trial_that_does_not_fit_is_refused_with_what_is_asked_and_what_is_there() -> None:
    with pytest.raises(ClusterError, match=r"needs 2 CPU, 2 GPU .* the cluster has 8 CPU, 0 GPU"):
        capacity(Resources(workers=2, gpus_per_worker=1), {"CPU": 8.0})
