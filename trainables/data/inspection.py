"""One pass over a split's files: the examples as trials read them, and every problem.

Streamed: only counts, hashes, and the first few names of each kind of problem stay in memory. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

from ablative.progress import Progress
from ablative.trainables.data.boxes import Boxes
from ablative.trainables.data.boxes import Metadata
from ablative.trainables.data.boxes import read_metadata
from ablative.trainables.data.examples import Example
from ablative.trainables.data.findings import BAD_METADATA
from ablative.trainables.data.findings import BAD_PICTURE
from ablative.trainables.data.findings import BAD_ROW
from ablative.trainables.data.findings import EMPTY_TEST
from ablative.trainables.data.findings import KINDS
from ablative.trainables.data.findings import MISSING_IMAGE
from ablative.trainables.data.findings import NO_BOX
from ablative.trainables.data.findings import NO_EXAMPLE
from ablative.trainables.data.findings import NO_EXAMPLE_OF_ID
from ablative.trainables.data.findings import NO_METADATA
from ablative.trainables.data.findings import OTHER_SIZE
from ablative.trainables.data.findings import OUTSIDE
from ablative.trainables.data.findings import Fault
from ablative.trainables.data.findings import Findings
from ablative.trainables.data.layout import image_folder_of
from ablative.trainables.data.load import fitted
from ablative.trainables.data.overlaps import Overlaps
from ablative.trainables.data.picture_check import looked_at
from ablative.trainables.data.pictures import Pictures
from ablative.trainables.data.readers import classes_of
from ablative.trainables.data.readers import read_examples
from ablative.trainables.data.reading import BadRows
from ablative.trainables.data.reading import collected_rows
from ablative.trainables.data.reading import listed_ids
from ablative.trainables.data.reading import too_many
from ablative.trainables.data.slices import read_slices
from ablative.trainables.data.sources import source
from ablative.trainables.errors import UnreadableData
from ablative.trainables.parts.task import Task
from ablative.trainables.vision.region_shards import converted_images

NEEDED = ("train", "val", "test")
"""Splits without which there is no trial."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An example, and the boxes of its image if no earlier example had that image."""

    example: Example
    boxes: Boxes | None = None


@dataclass(slots=True, kw_only=True)
class Inspection:
    """The facts about a split after `stream` has come to its end."""

    task: Task
    folder: Path
    split: str
    needs_pictures: bool = True
    """Whether an image without a picture or converted region features is a finding."""
    overlaps: Overlaps = field(default_factory=Overlaps)
    """Of the splits inspected before."""
    num_examples: int = 0
    num_rows: int = 0
    """Rows that could be read."""
    num_boxes: dict[str, int] = field(default_factory=dict)
    """image -> number of its boxes, in order of appearance."""
    findings: Findings = field(default_factory=Findings)
    unseen: list[str] = field(default_factory=list)
    """Images with a missing or damaged picture."""
    sizes: dict[str, tuple[float, float]] = field(default_factory=dict)
    """image -> width and height, if its metadata gives both."""
    rows: list[BadRows] = field(default_factory=list)
    """One entry per file read."""

    _converted: frozenset[str] = frozenset()
    """Images with converted region features, which need no picture."""

    def expected(self) -> int:
        """Return the approximate number of examples, from the bytes of the last file: for a progress bar."""
        origin = source(self.task, self.folder, self.split)
        return self.task.num_examples(origin)

    @property
    def num_images(self) -> int:
        """Distinct images."""
        return len(self.num_boxes)

    @property
    def num_bad(self) -> int:
        """Rows that cannot be read."""
        return len({(found.path, number) for found in self.rows for number in found.numbers})

    def faults(self, most: float) -> list[Fault]:
        """Return why trials cannot use the split, or should not; empty if there is no reason.

        `most`: allowed share of unreadable rows in a file, and of repeated rows in the split.
        """
        unreadable = [
            Fault(
                kind=BAD_ROW,
                count=f"{len(found.numbers):,} of {found.count:,} rows of {found.path.name}",
                remedy=KINDS[BAD_ROW][1],
            )
            for found in self.rows
            if too_many(found, most)
        ]
        return [*dict.fromkeys(unreadable), *self.findings.faults(self.num_rows, most)]

    def stream(self) -> Iterator[Seen]:
        """Yield the examples in the order of the files."""
        origin = source(self.task, self.folder, self.split)
        image_folder = image_folder_of(self.task, self.folder)
        pictures = Pictures(image_folder)
        self._converted = converted_images(image_folder)
        watch = self.overlaps.split(self.split, self.findings)
        with collected_rows() as self.rows:
            classes = classes_of(self.task, self.folder)
            unmatched = {*read_slices(self.folder, self.split), *(listed_ids(origin.only) or ())}
            for example in read_examples(self.task, self.folder, self.split, origin, classes):
                boxes = None
                if example.image not in self.num_boxes:
                    boxes = self._boxes(pictures, example.image)
                    self.num_boxes[example.image] = len(boxes)
                watch.example(example, new_image=boxes is not None, new_row=self.task.begins_row(example))
                unmatched.discard(example.group)
                self.num_examples += 1
                yield Seen(example=self._fitted(example, self.num_boxes[example.image]), boxes=boxes)
        watch.close()
        self.num_rows = watch.num_rows
        for name in sorted(unmatched):
            self.findings.add(NO_EXAMPLE_OF_ID, name)
        if not self.num_examples:
            self.findings.add(NO_EXAMPLE if self.split in NEEDED else EMPTY_TEST, ", ".join(map(str, origin.files)))

    def decode(self, progress: Progress, before: set[str]) -> None:
        """Decode the pictures of the streamed examples, except those of `before`, which grows."""
        image_folder = image_folder_of(self.task, self.folder)
        images = [image for image in self.num_boxes if image not in before]
        before.update(images)
        for found in looked_at(image_folder, images, progress):
            if found.missing:  # reading the rows has counted missing pictures
                continue
            if found.size is None:
                self.unseen.append(found.name)
                self.findings.add(BAD_PICTURE, found.fault)
            elif found.name in self.sizes and found.size != self.sizes[found.name]:
                sizes = [f"{width:g} x {height:g}" for width, height in (found.size, self.sizes[found.name])]
                self.findings.add(OTHER_SIZE, f"{found.name}: {sizes[0]} pixels, and {sizes[1]} in its metadata")

    def _boxes(self, pictures: Pictures, image: str) -> Boxes:
        if self.needs_pictures and image not in self._converted and image not in pictures:
            self.unseen.append(image)
            self.findings.add(MISSING_IMAGE, image)
        metadata = self._metadata(pictures, image)
        if metadata is None:
            return ()
        if metadata.width and metadata.height:
            self.sizes[image] = (metadata.width, metadata.height)
        for number in metadata.outside():
            self.findings.add(OUTSIDE, f"{image}, box {number}: {metadata.boxes[number]}")
        return metadata.boxes

    def _metadata(self, pictures: Pictures, image: str) -> Metadata | None:
        try:
            found = read_metadata(pictures, image)
        except UnreadableData as error:
            self.findings.add(BAD_METADATA, str(error))
            return None
        if found is None and self.task.refers_to_boxes:
            self.findings.add(NO_METADATA, image)
        return found

    def _fitted(self, example: Example, num_boxes: int) -> Example:
        if not self.task.refers_to_boxes:
            return example
        whole = fitted(example, num_boxes)
        if whole is not example and num_boxes:
            self.findings.add(NO_BOX, f"{example.id} names a box beyond the {num_boxes} of {example.image}")
        return whole


def judge(found: Iterable[Inspection], most: float) -> None:
    """Raise `UnreadableData` with every reason why trials cannot use these splits, or should not.

    `most`: as in `Inspection.faults`.
    """
    counts: dict[tuple[str, str], list[str]] = {}
    for inspection in found:
        for fault in inspection.faults(most):
            counts.setdefault((fault.kind, fault.remedy), []).append(f"{inspection.split} {fault.count}")
    if counts:
        listed = "\n".join(f"  {kind} ({', '.join(of)}): {remedy}" for (kind, remedy), of in counts.items())
        shares = f"; of rows, at most {most:.3g} may be so" if any(KINDS[k][0] == "share" for k, _ in counts) else ""
        raise UnreadableData(f"Trials cannot use this data set{shares}:\n{listed}")


def described(inspection: Inspection, told: set[tuple[Path, int]]) -> list[str]:
    """Return the lines for people about a split: counts, and each kind of problem with its first places.

    `told`: rows (file, line) named before, for another split from the same file; grows.
    """
    lines = [
        f"{inspection.split}: {inspection.num_examples:,} examples, {inspection.num_images:,} images, "
        f"{inspection.num_bad:,} unreadable rows"
    ]
    for rows in inspection.rows:
        new = [(number, reason) for number, reason in rows.reasons if (rows.path, number) not in told]
        told.update((rows.path, number) for number, _ in new)
        lines += [f"  {rows.path}, line {number}: {reason}" for number, reason in new[: inspection.findings.most]]
    for kind, count in inspection.findings.counts.items():
        lines.append(f"  {kind}: {count:,}")
        lines += [f"    {where}" for where in inspection.findings.named[kind]]
    return lines


def images_among(found: Sequence[Inspection]) -> list[str]:
    """Return the distinct images of the inspected splits, in the order of their rows."""
    return list(dict.fromkeys(image for inspection in found for image in inspection.num_boxes))
