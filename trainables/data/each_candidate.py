"""A split whose examples choose from candidates, with each candidate as an example of its own. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import replace
from typing import overload

from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import TaskSplit


def each_candidate(split: TaskSplit) -> TaskSplit:
    """Return the split with the candidates of an example one after another, made on demand."""
    return replace(split, examples=_EachCandidate(split.examples))


class _EachCandidate(Sequence[Example]):
    def __init__(self, examples: Sequence[Example]) -> None:
        self._examples = examples
        self._each = len(examples[0].candidates) if examples else 1

    def __len__(self) -> int:
        return len(self._examples) * self._each

    def __iter__(self) -> Iterator[Example]:
        for example in self._examples:
            yield from (_alone(example, number) for number in range(self._each))

    @overload
    def __getitem__(self, place: int) -> Example: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Example]: ...
    def __getitem__(self, place: int | slice) -> Example | Sequence[Example]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        return _alone(self._examples[place // self._each], place % self._each)


def _alone(example: Example, number: int) -> Example:
    targets = tuple((0, score) for candidate, score in example.targets if candidate == number)
    return replace(example, candidates=(example.candidates[number],), targets=targets)
