"""Decides which slot has a group of which shape, and how waiting trials change that. Starts and ends nothing.

Groups stay as they are while each waiting trial has a group that will take it. A trial whose shape no group has gets a
new group as soon as there is room. To make room, idle groups are shut down; once the trial is the oldest waiting one,
so are groups that have just ended a trial. So no trial waits forever, and few groups are rebuilt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace

from ablative.cluster.capacity import Amounts
from ablative.cluster.capacity import Room
from ablative.cluster.capacity import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Premises:
    """The room for groups."""

    slots: int
    """Most groups at once, whatever their shapes."""
    nodes: Sequence[Amounts]
    """The resources of each machine."""

    def hold(self, shapes: Collection[Shape]) -> bool:
        """Return whether groups of all these shapes fit at once."""
        room = Room(self.nodes)
        large_first = sorted(shapes, key=lambda shape: -sum(amount for _, amount in shape.each))
        return len(shapes) <= self.slots and all(room.place(shape) for shape in large_first)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A slot whose group is up or starting."""

    shape: Shape
    busy: bool = False
    """Whether it has a trial."""
    leaving: bool = False
    """Whether it takes no further trial, so that its resources become free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The next actions; none if both fields are empty."""

    start: Shape | None = None
    """A free slot starts a group of this shape."""
    shut_down: frozenset[int] = frozenset()
    """Slots whose groups, all idle, take no further trial."""


class Seating:
    """The slots and their groups' shapes; the board keeps them up to date."""

    def __init__(self, only: Shape | None) -> None:
        """`only`: the shape of all groups, so that there is nothing to decide; None if shapes differ."""
        self.premises = Premises(slots=0, nodes=())
        self.start = only
        """Shape of the group that a free slot is to start now, if any."""
        self._only = only
        self._seats: dict[int, Shape] = {}
        self._leaving: set[int] = set()
        self._closed: set[int] = set()

    def shape_of(self, slot: int) -> Shape:
        """Return the shape of a slot's group, which is up or starting."""
        return self._only or self._seats[slot]

    def is_leaving(self, slot: int) -> bool:
        """Return whether the slot's group is to make room for another one."""
        return slot in self._leaving

    def occupy(self, slot: int) -> Shape:
        """Note that the slot starts the next group; return its shape."""
        assert self.start is not None
        self._seats[slot] = self.start
        return self.start

    def vacate(self, slot: int) -> None:
        """Note that a slot's group has ended."""
        self._seats.pop(slot, None)
        self._leaving.discard(slot)

    def give_up(self, slot: int) -> None:
        """Note that a slot starts no more groups."""
        self.vacate(slot)
        self._closed.add(slot)

    def take_up(self, slot: int) -> None:
        """Note that a given-up slot may start groups again."""
        self._closed.discard(slot)

    def rearrange(self, waiting: Sequence[Shape], busy: Collection[int], worn: Collection[int]) -> bool:
        """Decide which groups to shut down and start for waiting trials, oldest first; return whether that is new.

        `busy`: slots whose group has a trial; `worn`: slots whose group is replaced anyway.
        """
        if self._only:
            return False
        before = (self.start, set(self._leaving))
        premises = replace(self.premises, slots=self.premises.slots - len(self._closed))
        while (change := next_change(waiting, self._now(busy, worn), premises)).shut_down:
            self._leaving |= change.shut_down
        self.start = change.start
        return before != (self.start, self._leaving)

    def _now(self, busy: Collection[int], worn: Collection[int]) -> dict[int, Seat]:
        return {
            slot: Seat(shape=shape, busy=slot in busy, leaving=slot in self._leaving or slot in worn)
            for slot, shape in self._seats.items()
        }


def next_change(waiting: Sequence[Shape], seats: Mapping[int, Seat], premises: Premises) -> Change:
    """Return the next actions for waiting trials of these shapes, oldest first."""
    kept = {slot: seat for slot, seat in seats.items() if not seat.leaving}
    up = [seat.shape for seat in seats.values()]
    homeless = _homeless(waiting, kept, premises)
    unserved, spare = _served(waiting, kept, homeless)
    promised = [*_shapes(kept.values()), *([homeless] if homeless else [])]
    is_promised = False
    for shape in dict.fromkeys(unserved):
        # Younger trials may not take the room reserved for the trial that fits nowhere.
        if premises.hold([*up, shape]) and not (is_promised and not premises.hold([*promised, shape])):
            return Change(start=shape)
        is_promised = is_promised or shape == homeless
    busy = [slot for slot, seat in kept.items() if seat.busy]
    for shape in [homeless] if homeless else dict.fromkeys(unserved):
        given_up = _room_for(shape, kept, [*spare, *busy] if homeless else spare, premises)
        if idle := frozenset(given_up).difference(busy):
            return Change(shut_down=idle)
    if len(unserved) == len(waiting) > 0 and not homeless and not busy and len(kept) == len(up):
        # None fits, not even alone, because machines were lost. Ray waits for them, and reports if they do not come
        # back.
        return Change(start=waiting[0]) if len(up) < premises.slots else Change(shut_down=frozenset(spare))
    return Change()


def _homeless(waiting: Sequence[Shape], kept: Mapping[int, Seat], premises: Premises) -> Shape | None:
    """Return the shape of the oldest trial that no group will take, although a group would fit if others were gone."""
    known = set(_shapes(kept.values()))
    return next((shape for shape in dict.fromkeys(waiting) if shape not in known and premises.hold([shape])), None)


def _served(
    waiting: Sequence[Shape], kept: Mapping[int, Seat], homeless: Shape | None
) -> tuple[list[Shape], list[int]]:
    """Return the shapes of trials that no idle group takes, and the idle groups that no trial needs.

    Idle groups take trials older than the one that fits nowhere; younger trials do not keep them.
    """
    idle = {slot: seat.shape for slot, seat in kept.items() if not seat.busy}
    takers = Counter(idle.values())
    older = list(waiting).index(homeless) if homeless else len(waiting)
    unserved = []
    held: Counter[Shape] = Counter()
    for position, shape in enumerate(waiting):
        if not takers[shape]:
            unserved.append(shape)
            continue
        takers[shape] -= 1
        held[shape] += position < older
    spare = []
    for slot, shape in idle.items():
        if held[shape]:
            held[shape] -= 1
        else:
            spare.append(slot)
    return unserved, spare


def _room_for(shape: Shape, kept: Mapping[int, Seat], candidates: Sequence[int], premises: Premises) -> Sequence[int]:
    """Return the fewest `candidates`, from the front, to shut down for this shape; none if all are not enough."""
    going: list[int] = []

    def fits(without: Collection[int]) -> bool:
        return premises.hold([*_shapes(seat for slot, seat in kept.items() if slot not in without), shape])

    for slot in candidates:
        if fits(going):
            break
        going.append(slot)
    if not fits(going):
        return []
    for slot in list(going):
        if fits([other for other in going if other != slot]):
            going.remove(slot)
    return going


def _shapes(seats: Iterable[Seat]) -> list[Shape]:
    return [seat.shape for seat in seats]
