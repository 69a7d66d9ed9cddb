"""The resources of trials, and how many trials fit into a cluster, counting workers machine by machine."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace

from ablative.orchestrator.errors import ClusterError
from ablative.search_spaces.study import Resources

ROUNDING = 1e-9
"""Tolerance for rounding: three times 0.1 is a little more than 0.3."""
ENDLESS = 1000.0
"""Stands for an autoscaler without a limit."""
Amounts = Mapping[str, float]
"""Ray's name of a resource -> amount."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The resources of one trial's worker group."""

    workers: int
    each: tuple[tuple[str, float], ...]
    """(Ray's name of a resource, amount) of one worker, all needed on the same machine."""
    fewer: tuple[int, ...] = ()
    """Other numbers of workers that do, the greatest first, where there is no room for all."""

    @property
    def widths(self) -> tuple[Shape, ...]:
        """The shape with each number of workers that does, the widest first."""
        counts = (self.workers, *self.fewer)
        return tuple(replace(self, workers=count, fewer=counts[place:]) for place, count in enumerate(counts, 1))


def shape_of(resources: Resources) -> Shape:
    """Return the shape of a trial with these resources."""
    gpus = [("GPU", float(resources.gpus_per_worker))] if resources.gpus_per_worker else []
    each = [("CPU", float(resources.cpus_per_worker)), *gpus, *sorted(resources.custom.items())]
    return Shape(workers=resources.most_workers, each=tuple(each), fewer=resources.fewer_workers)


def fitting(shape: Shape, nodes: Sequence[Amounts], taken: Sequence[Shape]) -> Shape:
    """Return the widest of a shape's widths that fits beside what is `taken`; the narrowest if none does."""
    for width in shape.widths:
        room = Room(nodes)
        if all(room.place(one) for one in (*taken, width)):
            return width
    return shape.widths[-1]


class Room:
    """The free resources of each machine while groups are placed, first fit."""

    def __init__(self, nodes: Sequence[Amounts]) -> None:
        """`nodes`: what each machine has."""
        self._machines = [_Machine(amounts=node, gpus=(1.0,) * int(node.get("GPU", 0.0))) for node in nodes]

    def place(self, shape: Shape) -> bool:
        """Take the resources of a group and return True; if it does not fit, take nothing and return False."""
        machines, left = list(self._machines), shape.workers
        for index, machine in enumerate(machines):
            while left and (rest := machine.less(shape)) is not None:
                machines[index] = machine = rest
                left -= 1
        if not left:
            self._machines = machines
        return not left

    def fill(self, shape: Shape) -> int:
        """Place as many groups as fit, each as wide as possible; return how many."""
        count = 0
        while any(self.place(width) for width in shape.widths):
            count += 1
        return count


def capacity(shapes: Sequence[Shape], nodes: Sequence[Amounts], largest: Amounts | None = None) -> int:
    """Return how many groups of these shapes may be up at once.

    `nodes`: what each machine has. `largest`: what an autoscaler can bring the cluster to, if there is one: it follows
    demand, so groups are asked for beyond what fits now, as many as it can give room to.
    """
    alone = {shape: Room(nodes).fill(shape) for shape in shapes}
    room = Room(nodes)
    here = sum(room.fill(shape) for shape in sorted(alone, key=lambda shape: -alone[shape]))
    ever = max(_in_sum(largest or {}, shape) or _in_sum(largest or {}, shape.widths[-1]) for shape in shapes)
    return max(here, min(ever, int(ENDLESS)))


def with_growth(nodes: Sequence[Amounts], largest: Amounts | None) -> Sequence[Amounts]:
    """Return the machines, and one more that stands for all that an autoscaler can add."""
    there = {name: sum(node.get(name, 0.0) for node in nodes) for name in largest or {}}
    more = {name: min(most - there[name], ENDLESS) for name, most in (largest or {}).items() if most > there[name]}
    return [*nodes, more] if more else nodes


def require(shapes: Sequence[Shape], nodes: Sequence[Amounts], largest: Amounts | None = None) -> None:
    """Raise ClusterError, with the numbers, if not even one group of some shape fits, now or ever."""
    for shape in shapes:
        least = shape.widths[-1]
        if not Room(nodes).place(least) and _in_sum(largest or {}, least) < 1:
            raise ClusterError(_too_large(least, nodes, largest))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Machine:
    amounts: Amounts
    gpus: tuple[float, ...]
    """The free part of each device; a share of a GPU comes from one device."""

    def less(self, shape: Shape) -> _Machine | None:
        """Return what remains after one more worker; None if it does not fit."""
        amounts, gpus = dict(self.amounts), list(self.gpus)
        for name, amount in shape.each:
            if name == "GPU":
                share, count = (amount, 1) if amount < 1 else (1.0, round(amount))
                free = [device for device, left in enumerate(gpus) if left >= share - ROUNDING][:count]
                if len(free) < count:
                    return None
                for device in free:
                    gpus[device] -= share
            elif amounts.get(name, 0.0) < amount - ROUNDING:
                return None
            else:
                amounts[name] -= amount
        return _Machine(amounts=amounts, gpus=tuple(gpus))


def _in_sum(total: Amounts, shape: Shape) -> int:
    workers = min(int(total.get(name, 0.0) / amount + ROUNDING) for name, amount in shape.each)
    return workers // shape.workers


def _too_large(shape: Shape, nodes: Sequence[Amounts], largest: Amounts | None) -> str:
    asked = ", ".join(f"{shape.workers * amount:g} {name}" for name, amount in shape.each)
    each = ", ".join(f"{amount:g} {name}" for name, amount in shape.each)
    found = ", ".join(f"{sum(node.get(name, 0.0) for node in nodes):g} {name}" for name, _ in shape.each)
    grows = ""
    if largest is not None:
        grows = " and grows to " + ", ".join(f"{largest.get(name, 0.0):g} {name}" for name, _ in shape.each)
    machines = "1 machine" if len(nodes) == 1 else f"{len(nodes)} machines"
    workers = "1 worker" if shape.workers == 1 else f"{shape.workers} workers, each"
    return (
        f"a trial of this study needs {asked} (resources: {workers} with {each} on one "
        f"machine); the cluster has {found} on {machines}{grows}. "
        "Remedy: lower `resources` in the study, or join a larger cluster with `--address`"
    )
