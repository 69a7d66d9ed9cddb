"""The names of metrics and splits that a study may use, given the known tasks. Imports no torch."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator

from ablative.trainables.parts.catalogue import Catalogue
from ablative.trainables.parts.task import Task

_OF_THE_BENCHMARK = tuple(f"accuracy_{part}" for part in ("seen", "heldout_known", "heldout_unknown"))


class Names(Collection[str]):
    """Allowed names. One that ends in `*` is a prefix: it admits every name that begins so, and iteration skips it."""

    def __init__(self, names: Iterable[str]) -> None:
        all_names = dict.fromkeys(names)
        self._plain = [name for name in all_names if not name.endswith("*")]
        self._starts = tuple(name[:-1] for name in all_names if name.endswith("*"))

    def __contains__(self, name: object) -> bool:
        return name in self._plain or (isinstance(name, str) and bool(self._starts) and name.startswith(self._starts))

    def __iter__(self) -> Iterator[str]:
        return iter(self._plain)

    def __len__(self) -> int:
        return len(self._plain)


def metric_names(catalogue: Catalogue) -> Names:
    """Return the metrics that may be a study's target: those of known tasks, and the bundled benchmark's slices."""
    return Names([*(name for task in catalogue.of(Task).values() for name in task.metrics), *_OF_THE_BENCHMARK])


def split_names(catalogue: Catalogue) -> Names:
    """Return every split besides `train` that some task can have, except those that a task's options name."""
    known = (name for task in catalogue.of(Task).values() for name in task.known_splits)
    return Names(name for name in known if not name.endswith("*"))


def open_splits(catalogue: Catalogue) -> dict[str, tuple[str, ...]]:
    """Return task -> prefixes of the split names that its options or files decide."""
    found = {
        name: tuple(split[:-1] for split in task.known_splits if split.endswith("*"))
        for name, task in catalogue.of(Task).items()
    }
    return {name: starts for name, starts in found.items() if starts}
