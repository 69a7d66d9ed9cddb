from __future__ import annotations

from collections.abc import Sequence

import pytest

from ablative.cluster.capacity import Amounts
from ablative.cluster.capacity import Room
from ablative.cluster.capacity import capacity
from ablative.cluster.capacity import fitting
from ablative.cluster.capacity import require
from ablative.cluster.capacity import shape_of
from ablative.orchestrator.errors import ClusterError
from ablative.search_spaces.study import Resources


def at_once(resources: Resources, nodes: Sequence[Amounts], largest: Amounts | None = None) -> int:
    require([shape_of(resources)], nodes, largest)
    return capacity([shape_of(resources)], nodes, largest)


def test_as_many_trials_run_at_once_as_the_cluster_holds() -> None:
    assert at_once(Resources(workers=2, cpus_per_worker=2), [{"CPU": 15.0}]) == 3
    assert at_once(Resources(), [{"CPU": 4.0}, {"CPU": 2.0, "GPU": 1.0}]) == 6


def test_a_worker_fits_on_one_machine_and_a_trial_may_span_several() -> None:
    two_and_a_half = [{"CPU": 5.0}, {"CPU": 3.0}, {"CPU": 1.0}]
    assert at_once(Resources(cpus_per_worker=2), two_and_a_half) == 3
    assert at_once(Resources(workers=3, cpus_per_worker=2), two_and_a_half) == 1


def test_several_trials_share_a_gpu_but_no_share_spans_two() -> None:
    assert at_once(Resources(gpus_per_worker=0.25), [{"CPU": 64.0, "GPU": 2.0}]) == 8
    assert at_once(Resources(gpus_per_worker=0.4), [{"CPU": 64.0, "GPU": 2.0}]) == 4
    assert at_once(Resources(gpus_per_worker=0.1), [{"CPU": 64.0, "GPU": 1.0}]) == 10
    assert at_once(Resources(gpus_per_worker=2), [{"CPU": 64.0, "GPU": 3.0}, {"CPU": 64.0, "GPU": 4.0}]) == 3


def test_custom_resources_bound_the_number_of_trials() -> None:
    resources = Resources(workers=2, custom={"licence": 0.5})
    assert at_once(resources, [{"CPU": 64.0, "licence": 3.0}]) == 3
    with pytest.raises(ClusterError, match=r"needs 2 CPU, 1 licence .* the cluster has 8 CPU, 0 licence on 1 machine"):
        at_once(resources, [{"CPU": 8.0}])


def test_a_trial_that_does_not_fit_is_refused_with_what_is_asked_and_what_is_there() -> None:
    with pytest.raises(ClusterError, match=r"needs 2 CPU, 2 GPU .* the cluster has 8 CPU, 0 GPU"):
        at_once(Resources(workers=2, gpus_per_worker=1), [{"CPU": 8.0}])


def test_a_worker_that_fits_on_no_machine_is_refused_although_the_sum_would_do() -> None:
    with pytest.raises(ClusterError, match=r"1 worker with 4 CPU on one machine.*has 6 CPU on 3 machines"):
        at_once(Resources(cpus_per_worker=4), [{"CPU": 2.0}] * 3)


def test_a_cluster_that_grows_with_demand_is_asked_at_once_for_all_that_its_limit_allows() -> None:
    largest = {"CPU": 10.0, "GPU": 5.0}
    resources = Resources(gpus_per_worker=1)
    assert at_once(resources, [{"CPU": 2.0}], largest) == 5
    assert at_once(resources, [{"CPU": 2.0, "GPU": 2.0}], largest) == 5
    assert at_once(resources, [{"CPU": 4.0, "GPU": 4.0}], largest) == 5
    with pytest.raises(ClusterError, match=r"the cluster has 2 CPU, 0 GPU on 1 machine and grows to 10 CPU, 5 GPU"):
        at_once(Resources(gpus_per_worker=6), [{"CPU": 2.0}], largest)


def test_a_group_that_does_not_fit_takes_nothing_and_another_finds_its_place() -> None:
    room = Room([{"CPU": 3.0}, {"CPU": 2.0}])
    pair, single = shape_of(Resources(workers=2, cpus_per_worker=2)), shape_of(Resources())
    assert room.place(pair)
    assert not room.place(pair)
    assert room.fill(single) == 1


def test_trials_of_different_shapes_are_counted_beside_each_other() -> None:
    nodes = [{"CPU": 4.0, "GPU": 1.0}]
    plain, pair, on_gpu = (shape_of(Resources(**r)) for r in ({}, {"workers": 2}, {"gpus_per_worker": 1.0}))
    assert capacity([plain, pair], nodes) == 4
    assert capacity([pair, on_gpu], nodes) == 2
    with pytest.raises(ClusterError, match=r"needs 2 CPU, 2 GPU"):
        require([plain, shape_of(Resources(workers=2, gpus_per_worker=1))], nodes)


RANGE = Resources.model_validate({"workers": {"min": 2, "max": 8}})


def test_an_elastic_trial_has_all_its_workers_or_a_number_that_divides_them() -> None:
    assert [width.workers for width in shape_of(RANGE).widths] == [8, 4, 2]
    assert [width.fewer for width in shape_of(RANGE).widths] == [(4, 2), (2,), ()]
    assert shape_of(Resources(workers=3)).widths == (shape_of(Resources(workers=3)),)


def test_an_elastic_group_is_as_wide_as_fits_beside_the_others() -> None:
    shape = shape_of(RANGE)
    pair = shape.widths[-1]

    assert fitting(shape, [{"CPU": 8.0}], []).workers == 8
    assert fitting(shape, [{"CPU": 8.0}], [pair]).workers == 4
    assert fitting(shape, [{"CPU": 4.0}, {"CPU": 3.0}], []).workers == 4
    assert fitting(shape, [{"CPU": 1.0}], []).workers == 2  # it waits for room


def test_elastic_groups_fill_a_cluster_the_widest_first() -> None:
    assert at_once(RANGE, [{"CPU": 16.0}]) == 2
    assert at_once(RANGE, [{"CPU": 15.0}]) == 3  # of 8, 4 and 2 workers
    assert at_once(RANGE, [{"CPU": 2.0}]) == 1
    assert at_once(RANGE, [{"CPU": 2.0}], {"CPU": 32.0}) == 4
    with pytest.raises(ClusterError, match=r"needs 2 CPU .*the cluster has 1 CPU"):
        at_once(RANGE, [{"CPU": 1.0}])
