"""Rows that occur twice in a split, and rows and images that it shares with train or val. Imports no torch.

Rows are kept as hashes of 8 bytes. An id counts once per split; a row counts by its image and texts, whatever its id.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left

from ablative.splits import CORRECTED
from ablative.trainables.data.examples import Example
from ablative.trainables.data.findings import SHARED_IMAGE
from ablative.trainables.data.findings import SHARED_ROW
from ablative.trainables.data.findings import TWICE
from ablative.trainables.data.findings import Findings
from ablative.trainables.data.tokens import lowered

_COMPARED = ("train", "val")
"""Splits that later ones must not repeat. Shifted tests are made from the test and repeat it."""


class Overlaps:
    """The overlap between the splits of a data set, read one after another."""

    def __init__(self) -> None:
        self._rows: dict[str, array[int]] = {}
        self._images: dict[str, array[int]] = {}

    def split(self, name: str, findings: Findings) -> SplitOverlaps:
        """Return a watcher for the next split, which adds to its `findings`."""
        return SplitOverlaps(name, findings, self._rows, self._images)


class SplitOverlaps:
    """Watches one split."""

    def __init__(
        self, name: str, findings: Findings, rows: dict[str, array[int]], images: dict[str, array[int]]
    ) -> None:
        self._name, self._findings = name, findings
        self._earlier_rows, self._earlier_images = rows, images
        self._ids: set[int] = set()
        self._rows, self._images = array("q"), array("q")

    @property
    def num_rows(self) -> int:
        """Rows watched; a task may make several examples from one."""
        return len(self._rows)

    def example(self, example: Example, *, new_image: bool, new_row: bool) -> None:
        """Watch an example if it begins a row, and its image if it is new in the split."""
        if new_image:
            self._images.append(hash(example.image))
            self._compare(SHARED_IMAGE, example.image, self._images[-1], self._earlier_images)
        if not new_row:
            return
        self._rows.append(hash((example.image, *_texts(example))))
        self._compare(SHARED_ROW, example.group, self._rows[-1], self._earlier_rows)
        name = hash(example.group)
        if name in self._ids:
            self._findings.add(TWICE, example.group)
        self._ids.add(name)

    def close(self) -> None:
        """Keep the rows and images that later splits are compared with."""
        if self._name in _COMPARED:
            self._earlier_rows[self._name] = array("q", sorted(self._rows))
            self._earlier_images[self._name] = array("q", sorted(self._images))

    def _compare(self, kind: str, where: str, key: int, earlier: dict[str, array[int]]) -> None:
        for split, known in earlier.items():
            if self._name == f"{split}{CORRECTED}":
                continue  # the same rows with other labels
            place = bisect_left(known, key)
            if place < len(known) and known[place] == key:
                self._findings.add(kind, f"{where} (in {split} too)")
                return


def _texts(example: Example) -> list[str]:
    candidates = example.candidates
    texts = [candidates[0].query.text, *(c.response.text for c in candidates if c.response is not None)]
    return [lowered(text) for text in texts]
