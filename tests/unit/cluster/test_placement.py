"""Which groups are started and shut down: a pure decision about waiting trials, running groups and room."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablative.cluster.capacity import Shape
from ablative.cluster.placement import Change
from ablative.cluster.placement import Premises
from ablative.cluster.placement import Seat
from ablative.cluster.placement import next_change

A = Shape(workers=1, each=(("CPU", 1.0),))
B = Shape(workers=2, each=(("CPU", 1.0),))
WIDE = Shape(workers=1, each=(("CPU", 4.0),))
GPU = Shape(workers=1, each=(("CPU", 1.0), ("GPU", 1.0)))
FOUR = Premises(slots=4, nodes=[{"CPU": 4.0}])


def idle(shape: Shape) -> Seat:
    return Seat(shape=shape)


def busy(shape: Shape) -> Seat:
    return Seat(shape=shape, busy=True)


def seats(*up: Seat) -> dict[int, Seat]:
    return dict(enumerate(up))


def shutting_down(*slots: int) -> Change:
    return Change(shut_down=frozenset(slots))


def test_groups_start_for_what_waits_until_nothing_more_fits() -> None:
    assert next_change([A, B], {}, FOUR) == Change(start=A)
    assert next_change([A, B], seats(idle(A)), FOUR) == Change(start=B)
    assert next_change([A, A, A], seats(idle(A), idle(B)), FOUR) == Change(start=A)
    assert next_change([A, A, B], seats(idle(A), idle(B), idle(A)), FOUR) == Change()
    assert next_change([], seats(idle(A)), FOUR) == Change()


def test_no_more_groups_are_up_than_there_are_slots() -> None:
    assert next_change([A, A], seats(busy(A)), Premises(slots=1, nodes=[{"CPU": 4.0}])) == Change()


def test_idle_groups_are_shut_down_for_a_shape_that_does_not_fit_beside_them() -> None:
    up = seats(busy(A), idle(A), idle(A), busy(A))
    assert next_change([B], up, FOUR) == shutting_down(1, 2)


def test_as_few_groups_as_possible_are_shut_down() -> None:
    assert next_change([B], seats(busy(A), idle(A), busy(A)), FOUR) == shutting_down(1)
    gpus = Premises(slots=4, nodes=[{"CPU": 4.0, "GPU": 1.0}])
    other = Shape(workers=1, each=(("CPU", 2.0), ("GPU", 1.0)))
    assert next_change([other], seats(idle(A), idle(GPU)), gpus) == shutting_down(1)


def test_what_is_older_is_taken_first() -> None:
    up = seats(busy(A), busy(A), busy(A), idle(A))
    assert next_change([A, B], up, FOUR) == Change()


def test_a_group_that_has_ended_a_trial_is_shut_down_for_the_oldest_and_takes_nothing_younger() -> None:
    up = seats(busy(A), busy(A), busy(A), idle(A))
    assert next_change([B, A, A], up, FOUR) == shutting_down(3)


def test_groups_that_leave_count_as_room_to_come_and_not_as_room() -> None:
    going = Seat(shape=A, leaving=True)
    assert next_change([B, A, A], seats(busy(A), idle(A), going, going), FOUR) == Change()
    assert next_change([B, A, A], seats(busy(A), idle(A)), FOUR) == Change(start=B)


def test_nothing_younger_takes_the_room_that_is_being_made() -> None:
    assert next_change([A, WIDE, A], seats(busy(A)), FOUR) == Change(start=A)
    up = seats(busy(A), busy(A), busy(A))  # a CPU is free, and the wide one needs all four
    assert next_change([WIDE, A], up, FOUR) == Change()
    assert next_change([GPU, A], up, Premises(slots=4, nodes=[{"CPU": 4.0}])) == Change(start=A)  # it never fits


def test_a_shape_whose_groups_are_all_busy_gets_the_place_of_an_idle_one_but_not_of_a_busy_one() -> None:
    assert next_change([B], seats(busy(B), idle(A), idle(A)), FOUR) == shutting_down(1, 2)
    assert next_change([B], seats(busy(B), idle(A), busy(A)), FOUR) == Change()


def test_what_fits_nowhere_any_more_is_left_to_ray_once_nothing_else_can_go_on() -> None:
    gone = Premises(slots=2, nodes=[{"CPU": 1.0}])
    assert next_change([B], seats(busy(A)), gone) == Change()
    assert next_change([B], seats(idle(A)), gone) == Change(start=B)
    assert next_change([B], seats(idle(A), idle(A)), gone) == shutting_down(0, 1)


@pytest.mark.parametrize("nodes", [[{"CPU": 4.0, "GPU": 1.0}], [{"CPU": 2.0}, {"CPU": 4.0, "GPU": 1.0}]])
@given(trials=st.lists(st.sampled_from([A, B, WIDE, GPU]), max_size=12), slots=st.integers(1, 5), data=st.data())
def test_every_trial_gets_its_turn_whatever_the_order_of_events(
    nodes: Sequence[dict[str, float]], trials: list[Shape], slots: int, data: st.DataObject
) -> None:
    premises = Premises(slots=slots, nodes=nodes)
    waiting, up = list(trials), dict[int, Seat]()
    for _ in range(20 * len(trials) + 20):
        change = next_change(waiting, up, premises)
        assert not any(up[slot].busy for slot in change.shut_down)
        for slot in change.shut_down:
            up[slot] = Seat(shape=up[slot].shape, leaving=True)
        events = _events(waiting, up, change)
        if not events:
            break
        event, slot = data.draw(st.sampled_from(sorted(events)))
        if event == "start" and change.start is not None:
            free = min(set(range(slots)) - up.keys())
            up[free] = idle(change.start)
        elif event == "take":
            waiting.remove(up[slot].shape)
            up[slot] = busy(up[slot].shape)
        elif event == "end":
            up[slot] = idle(up[slot].shape)
        elif event == "leave":
            del up[slot]
        assert premises.hold([seat.shape for seat in up.values()])
    assert waiting == []


def _events(waiting: list[Shape], up: dict[int, Seat], change: Change) -> set[tuple[str, int]]:
    """What may happen next: a slot starts, an idle group takes or leaves, a trial ends."""
    found = {("start", 0)} if change.start else set()
    for slot, seat in up.items():
        if seat.busy:
            found.add(("end", slot))
        elif seat.leaving:
            found.add(("leave", slot))
        elif seat.shape in waiting:
            found.add(("take", slot))
    return found
