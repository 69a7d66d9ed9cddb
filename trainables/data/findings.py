"""The possible problems of a data set, and how much each kind weighs. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from typing import Literal

from ablative.trainables.strangers import printable

NUM_NAMED = 5
"""Problems to name per kind, unless all are wanted; all are counted."""
_MOST_SAID = 600
"""Characters for the place of a problem: a path, a reason and a remedy."""
Weight = Literal["error", "share", "reported"]
"""`error`: one is too many, because a trial would end at it.

`share`: accepted up to a share of a split's rows. `reported`: people should know of it, and a trial still runs.
"""

BAD_FILE = "file unreadable"
NO_EXAMPLE = "no example"
EMPTY_TEST = "no example in this shifted or blind test"
NO_EXAMPLE_OF_ID = "id in a slice or list without an example"
MISSING_IMAGE = "image missing"
BAD_PICTURE = "picture damaged"
BAD_METADATA = "metadata unreadable"
BAD_ROW = "row unreadable"
TWICE = "id a second time"
SHARED_ROW = "row of an earlier split"
SHARED_IMAGE = "image of an earlier split"
LEFT_OUT = "picture left out from now on"
OTHER_SIZE = "picture of another size than its metadata says"
NO_METADATA = "metadata missing"
OUTSIDE = "box empty or outside its image"
NO_BOX = "tag without a box in the metadata"

KINDS: dict[str, tuple[Weight, str]] = {
    BAD_FILE: ("error", "get the file again"),
    NO_EXAMPLE: ("error", "add rows (a val that is carved out of train takes 5 % of its images)"),
    MISSING_IMAGE: ("error", "get the pictures, convert region features instead, or leave a few out (--leave-out)"),
    BAD_PICTURE: ("error", "get the pictures again, or leave a few out (--leave-out)"),
    BAD_METADATA: ("error", "get the files again, or remove them to cut their images into a grid"),
    BAD_ROW: ("share", "get the file again, or remove these rows"),
    TWICE: ("share", "keep one row of each id"),
    SHARED_ROW: ("share", "remove the rows from one of the splits: a test must not repeat what was trained on"),
    SHARED_IMAGE: ("reported", ""),
    LEFT_OUT: ("reported", ""),
    OTHER_SIZE: ("reported", ""),
    NO_METADATA: ("reported", ""),
    OUTSIDE: ("reported", ""),
    NO_BOX: ("reported", ""),
    EMPTY_TEST: ("reported", ""),
    NO_EXAMPLE_OF_ID: ("reported", ""),
}
"""Kind -> weight and remedy. For unreadable rows the share is of a file's rows, not of the split's."""


@dataclass(slots=True)
class Findings:
    """Problems of one split, by kind."""

    counts: dict[str, int] = field(default_factory=dict)
    named: dict[str, list[str]] = field(default_factory=dict)
    most: int = NUM_NAMED
    """Problems of a kind to name."""

    def add(self, kind: str, where: str) -> None:
        """Count a problem, and keep its place if it is one of the first of its kind."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        named = self.named.setdefault(kind, [])
        if len(named) < self.most:
            named.append(printable(where, _MOST_SAID))

    def rename(self, kind: str, new: str) -> None:
        """Count the problems of one kind as another kind."""
        if kind in self.counts:
            self.counts[new] = self.counts.get(new, 0) + self.counts.pop(kind)
            self.named[new] = [*self.named.get(new, []), *self.named.pop(kind)][: self.most]

    def faults(self, num_rows: int, most: float) -> list[Fault]:
        """Return the kinds of which a split of `num_rows` has too many.

        `most`: share of the rows allowed for a kind of weight `share`.
        """
        found = []
        for kind, count in self.counts.items():
            weight, remedy = KINDS.get(kind, ("reported", ""))
            if weight == "error":
                found.append(Fault(kind=kind, count=f"{count:,}", remedy=remedy))
            elif weight == "share" and count > most * num_rows:
                found.append(Fault(kind=kind, count=f"{count:,} of {num_rows:,} rows", remedy=remedy))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why trials cannot use a split, or should not."""

    kind: str
    count: str
    remedy: str
