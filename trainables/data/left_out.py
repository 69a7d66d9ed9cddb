"""Pictures that no trial sees, because they are missing or damaged: `left_out.json` beside the annotations.

The list is a file of the data set like any other. It enters the digest of the data. Every arm, student
and teacher leaves out the same examples. Imports no torch.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from collections.abc import Iterator
from pathlib import Path

from ablative.trainables.cache import write_atomically
from ablative.trainables.data.examples import Example
from ablative.trainables.data.findings import NUM_NAMED
from ablative.trainables.data.json_text import read_json
from ablative.trainables.data.names import picture_name
from ablative.trainables.data.reading import listed
from ablative.trainables.errors import UnreadableData

FILE = "left_out.json"


def left_out(folder: Path) -> frozenset[str]:
    """Return the pictures that a data set's list names; none without a list. Raises `UnreadableData`."""
    path = folder / FILE
    if not path.is_file():
        return frozenset()
    return read_json(path, "a list of pictures", lambda names: frozenset(map(picture_name, listed(names))))


def kept(examples: Iterator[Example], folder: Path) -> Iterator[Example]:
    """Return the examples whose pictures are not left out."""
    unseen = left_out(folder)
    return (example for example in examples if example.image not in unseen) if unseen else examples


def leave_out(folder: Path, pictures: Collection[str], of: int, most: float) -> Path:
    """Add pictures to the list of a data set with `of` pictures and return it.

    Raises `UnreadableData`, and writes nothing, if more than the share `most` would be left out.
    """
    names = sorted(left_out(folder).union(pictures))
    if len(names) > most * of:
        named = "".join(f"\n  {name}" for name in names[:NUM_NAMED])
        raise UnreadableData(
            f"{len(names):,} of {of:,} pictures are missing or damaged, but at most {most:.3g} may be left out; get "
            f"them again:{named}"
        )
    write_atomically(folder / FILE, json.dumps(names, indent=0) + "\n")
    return folder / FILE
