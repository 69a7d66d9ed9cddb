from __future__ import annotations

from ablative.cluster.capacity import shape_of
from ablative.cluster.waiting import has_room
from ablative.cluster.waiting import short_of
from ablative.search_spaces.study import Resources


def test_what_is_waited_for_is_told_with_what_there_is() -> None:
    pair = shape_of(Resources(workers=2, cpus_per_worker=4, gpus_per_worker=1))
    nodes = [{"CPU": 0.0}, {"CPU": 8.0, "GPU": 1.0}]
    told = "2 workers, each with 4 CPU, 1 GPU on one machine; free: 3 of 8 CPU, 0 of 1 GPU on 2 machines"
    assert short_of(pair, nodes, {"CPU": 3.0}) == told
    assert short_of(shape_of(Resources()), [{"CPU": 1.0}], {}) == "1 CPU on one machine; free: 0 of 1 CPU on 1 machine"


def test_there_is_room_if_all_of_it_is_free_in_sum() -> None:
    pair = shape_of(Resources(workers=2, cpus_per_worker=4))
    assert has_room(pair, {"CPU": 8.0})
    assert not has_room(pair, {"CPU": 7.0})
    assert not has_room(pair, {})
