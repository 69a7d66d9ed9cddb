"""A clause that says what a task or worker group waits for on the cluster."""

from __future__ import annotations

from collections.abc import Sequence

from ablative.cluster.capacity import Amounts
from ablative.cluster.capacity import Shape

PATIENCE_S = 3.0
"""Shorter waits are not reported."""


def short_of(shape: Shape, nodes: Sequence[Amounts], free: Amounts) -> str:
    """Return what a group of `shape` needs and what exists: on all `nodes`, and `free` in total."""
    each = ", ".join(f"{amount:g} {name}" for name, amount in shape.each)
    needs = (
        f"{each} on one machine" if shape.workers == 1 else f"{shape.workers} workers, each with {each} on one machine"
    )
    there = ", ".join(
        f"{free.get(name, 0.0):g} of {sum(node.get(name, 0.0) for node in nodes):g} {name}" for name, _ in shape.each
    )
    return f"{needs}; free: {there} on {len(nodes)} machine{'' if len(nodes) == 1 else 's'}"


def has_room(shape: Shape, free: Amounts) -> bool:
    """Return whether the free amounts suffice in total, so that only a process has to start."""
    return all(free.get(name, 0.0) >= shape.workers * amount for name, amount in shape.each)
