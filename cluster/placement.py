"""Which slot has a group of which shape, and how that changes with what waits. Decides; starts and ends nothing.

Groups stay as they are while each waiting trial has a group that will take it. A trial whose shape no group has gets
one as soon as there is room, and room is made for it: groups retire that have nothing to do, and, once it is the
oldest that waits, groups that have just ended a trial. So no trial waits forever, and few groups are rebuilt.
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
    """Where groups may be."""

    slots: int
    """How many may be up at once, whatever their shapes."""
    nodes: Sequence[Amounts]
    """What each machine has."""

    def hold(self, shapes: Collection[Shape]) -> bool:
        """Return whether groups of all these shapes fit beside each other."""
        room = Room(self.nodes)
        large_first = sorted(shapes, key=lambda shape: -sum(amount for _, amount in shape.each))
        return len(shapes) <= self.slots and all(room.place(shape) for shape in large_first)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A slot with a group that is up or on its way."""

    shape: Shape
    busy: bool = False
    """Whether it has a trial."""
    leaving: bool = False
    """Whether it takes no further trial: what it holds comes free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is to be done now; nothing if both are empty."""

    start: Shape | None = None
    """A free slot starts a group of this shape."""
    retire: frozenset[int] = frozenset()
    """Slots whose groups, all idle, take no further trial."""


class Seating:
    """The slots and their groups' shapes, kept up to date by the board."""

    def __init__(self, only: Shape | None) -> None:
        """`only`: the shape of all groups; then nothing is to be decided. None if they differ."""
        self.premises = Premises(slots=0, nodes=())
        self.start = only
        """Shape of the group that a free slot is to start now, if any."""
        self._only = only
        self._seats: dict[int, Shape] = {}
        self._leaving: set[int] = set()
        self._closed: set[int] = set()

    def shape_of(self, slot: int) -> Shape:
        """Return the shape of the group that is up in a slot, or on its way."""
        return self._only or self._seats[slot]

    def is_leaving(self, slot: int) -> bool:
        """Return whether the slot's group makes room for another one."""
        return slot in self._leaving

    def occupy(self, slot: int) -> Shape:
        """Take note that the slot starts the group that is to be started; return its shape."""
        assert self.start is not None
        self._seats[slot] = self.start
        return self.start

    def vacate(self, slot: int) -> None:
        """Take note that a slot's group has ended."""
        self._seats.pop(slot, None)
        self._leaving.discard(slot)

    def give_up(self, slot: int) -> None:
        """Take note that a slot starts no more groups."""
        self.vacate(slot)
        self._closed.add(slot)

    def take_up(self, slot: int) -> None:
        """Take note that a slot that was given up may start groups again."""
        self._closed.discard(slot)

    def rearrange(self, waiting: Sequence[Shape], busy: Collection[int], worn: Collection[int]) -> bool:
        """Let groups leave for what waits, the oldest first, and say what is to be started; return whether it is new.

        `busy`: slots whose group has a trial; `worn`: slots whose group retires anyway.
        """
        if self._only:
            return False
        before = (self.start, set(self._leaving))
        premises = replace(self.premises, slots=self.premises.slots - len(self._closed))
        while (change := next_change(waiting, self._now(busy, worn), premises)).retire:
            self._leaving |= change.retire
        self.start = change.start
        return before != (self.start, self._leaving)

    def _now(self, busy: Collection[int], worn: Collection[int]) -> dict[int, Seat]:
        return {
            slot: Seat(shape=shape, busy=slot in busy, leaving=slot in self._leaving or slot in worn)
            for slot, shape in self._seats.items()
        }


def next_change(waiting: Sequence[Shape], seats: Mapping[int, Seat], premises: Premises) -> Change:
    """Return what the shapes of the waiting trials, the oldest first, ask for."""
    kept = {slot: seat for slot, seat in seats.items() if not seat.leaving}
    up = [seat.shape for seat in seats.values()]
    homeless = _homeless(waiting, kept, premises)
    unserved, spare = _served(waiting, kept, homeless)
    promised = [*_shapes(kept.values()), *([homeless] if homeless else [])]
    is_promised = False
    for shape in dict.fromkeys(unserved):
        # What is younger than the trial that fits nowhere may not take the room that it is to get.
        if premises.hold([*up, shape]) and not (is_promised and not premises.hold([*promised, shape])):
            return Change(start=shape)
        is_promised = is_promised or shape == homeless
    busy = [slot for slot, seat in kept.items() if seat.busy]
    for shape in [homeless] if homeless else dict.fromkeys(unserved):
        given_up = _room_for(shape, kept, [*spare, *busy] if homeless else spare, premises)
        if idle := frozenset(given_up).difference(busy):
            return Change(retire=idle)
    if len(unserved) == len(waiting) > 0 and not homeless and not busy and len(kept) == len(up):
        # None fits, not even alone: machines were lost. Ray waits for them to come back, and tells if they do not.
        return Change(start=waiting[0]) if len(up) < premises.slots else Change(retire=frozenset(spare))
    return Change()


def _homeless(waiting: Sequence[Shape], kept: Mapping[int, Seat], premises: Premises) -> Shape | None:
    """Return the shape of the oldest trial that no group will take although one would fit, were others gone."""
    known = set(_shapes(kept.values()))
    return next((shape for shape in dict.fromkeys(waiting) if shape not in known and premises.hold([shape])), None)


def _served(
    waiting: Sequence[Shape], kept: Mapping[int, Seat], homeless: Shape | None
) -> tuple[list[Shape], list[int]]:
    """Return the shapes of trials that no idle group takes, and the idle groups that no trial holds back.

    Idle groups take what is older than the trial that fits nowhere; what is younger does not hold them back.
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
    """Return as few of `candidates`, from the front, as must go for a group of `shape`; none if all are not enough."""
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
