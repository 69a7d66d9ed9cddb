"""`ablate data prepare --regions`, `ablate data regions`: from sources of features to the shards that training reads.

A source is a feature file that somebody made (`feature_files`), or a frozen backbone (`backbone`).

Each image of the data set is looked up by the file's key: in a table of names if one is given, by name, or by the
number at its end (COCO's and Flickr's ids). In VCR the first regions are put in the order of the image's own objects,
matched by overlap, because questions name objects by number. If sources are merged, an image has the regions of all of
them, one source after another: ground truth first, then detections.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from itertools import takewhile
from pathlib import Path
from typing import Any
from typing import Protocol

import numpy as np
from filelock import FileLock

from ablative.progress import Progress
from ablative.trainables.cache import write_atomically
from ablative.trainables.data.boxes import Metadata
from ablative.trainables.data.boxes import metadata_name
from ablative.trainables.data.boxes import read_metadata
from ablative.trainables.data.findings import NUM_NAMED
from ablative.trainables.data.findings import Findings
from ablative.trainables.data.inspection import Inspection
from ablative.trainables.data.inspection import images_among
from ablative.trainables.data.layout import image_folder_of
from ablative.trainables.data.manifest import digest_of
from ablative.trainables.data.pictures import Pictures
from ablative.trainables.errors import UnreadableData
from ablative.trainables.strangers import printable
from ablative.trainables.vision.feature_files import Entry
from ablative.trainables.vision.feature_files import ImageRegions
from ablative.trainables.vision.feature_files import read_names
from ablative.trainables.vision.matching import ImageFinder
from ablative.trainables.vision.matching import by_object
from ablative.trainables.vision.region_shards import FOLDER
from ablative.trainables.vision.region_shards import PER_SHARD
from ablative.trainables.vision.region_shards import WHOLE
from ablative.trainables.vision.region_shards import Shard
from ablative.trainables.vision.region_shards import image_rows
from ablative.trainables.vision.region_shards import read_shards
from ablative.trainables.vision.region_shards import shard_file
from ablative.trainables.vision.region_shards import write_shard

SOURCES = "sources.json"
"""The sources at the last reading: a replaced file is converted again."""
UNREADABLE = "entry unreadable"
OTHER_IMAGE = "entry that matches no image"
TWICE = "image a second time"
OUTSIDE = "region empty or outside its image"
NO_FEATURES = "image without features"
POOR_MATCH = "object that no region overlaps by half"
MOST_UNREADABLE = 0.01
_SLACK = 0.01
_MERGED = "merged"
"""Whether they were merged; kept beside the sources' paths, which are absolute."""


class Source(Protocol):
    """A source of region features, image by image, in a stable order."""

    @property
    def name(self) -> str:
        """Its name for people."""
        ...

    @property
    def version(self) -> str:
        """Changes if an interrupted conversion cannot continue at its position."""
        ...

    @property
    def place(self) -> str:
        """Key under which its stamp is remembered."""
        ...

    def stamp(self) -> Sequence[int | str]:
        """Return a value that changes whenever its features may.

        It has a file of its own, as shards are part of trials' identity.
        """
        ...

    def pictures_of(self, images: Sequence[str]) -> str:
        """Return a digest of the pictures of these images; empty if the source does not know them."""
        ...

    def entries(self, start: int, done: Collection[str]) -> Iterator[Entry]:
        """Yield its images from a position on, done or not. Raises `UnreadableData`."""
        ...


@dataclass(slots=True, kw_only=True)
class RegionReport:
    """The result for the feature files."""

    num_images: int = 0
    num_converted: int = 0
    findings: Findings = field(default_factory=Findings)

    def lines(self) -> list[str]:
        """Return the lines for people."""
        told = [f"regions: {self.num_converted:,} of {self.num_images:,} images"]
        for kind, count in self.findings.counts.items():
            told.append(f"  {kind}: {count:,}")
            told += [f"    {where}" for where in self.findings.named[kind][:NUM_NAMED]]
        return told


def convert_regions(
    found: Sequence[Inspection],
    sources: Sequence[Source],
    progress: Progress,
    *,
    names: Path | None = None,
    merge: bool = False,
) -> RegionReport:
    """Convert the regions in `sources` for a data set with inspected splits; continue where it stopped.

    `merge`: an image in several sources gets the regions of all of them, those of the first in the order of its
    objects. Otherwise it gets those of the first alone.

    Raises:
        UnreadableData: a source is of no known format, too many of its entries are unreadable, or its features are not
            as wide as the ones before.
    """
    task, folder = found[0].task, found[0].folder
    image_folder = image_folder_of(task, folder)
    images = images_among(found)
    target = image_folder / FOLDER
    target.mkdir(parents=True, exist_ok=True)
    with FileLock(target / "convert.lock"):
        (target / WHOLE).unlink(missing_ok=True)
        for unfinished in target.glob(".*.arrow.*"):  # from a killed conversion: we hold its lock
            unfinished.unlink()
        conversion = _Conversion(
            target=target,
            pictures=Pictures(image_folder),
            finder=ImageFinder(images, read_names(names), by_number=task.numbered_images),
            objects=task.refers_to_boxes,
            merge=merge,
            report=RegionReport(num_images=len(images)),
        )
        stamps = {source.place: list(source.stamp()) for source in sources}
        known = _remembered(target / SOURCES)
        replaced = frozenset(
            source.name for source in sources if known.get(source.place, stamps[source.place]) != stamps[source.place]
        )
        if known.get(_MERGED, False) != merge:
            replaced |= {source.name for source in sources[1:]}
        conversion.resume(read_shards(target), replaced, {_key(source): source for source in sources})
        write_atomically(target / SOURCES, json.dumps({**stamps, _MERGED: merge}) + "\n")
        for source in _left(sources, conversion.source):
            conversion.convert(source, progress)
        return conversion.finish(images)


def _left(sources: Sequence[Source], begun: str) -> Sequence[Source]:
    """Return the sources from the one where an earlier conversion stopped."""
    keys = [_key(source) for source in sources]
    return sources[keys.index(begun) :] if begun in keys else sources


def _key(source: Source) -> str:
    """Return the shards' name for a source."""
    return f"{source.name}|{source.version}"


def _remembered(memory: Path) -> dict[str, Any]:
    """Return what the last conversion recorded about its sources: a file changed since is read again."""
    try:
        return dict(json.loads(memory.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # only a memory: without it a source counts as unchanged
        return {}


def _no_pictures(_: Sequence[str]) -> str:
    return ""


@dataclass(slots=True, kw_only=True)
class _Conversion:
    target: Path
    pictures: Pictures
    finder: ImageFinder
    objects: bool
    """Whether the first regions must be the image's objects."""
    merge: bool
    report: RegionReport
    source: str = ""
    pictures_of: Callable[[Sequence[str]], str] = _no_pictures
    position: int = 0
    width: int = 0
    done: dict[str, set[str]] = field(default_factory=dict)
    """Image -> the sources with regions for it."""
    number: int = 0
    """Number of the next shard."""
    images: list[str] = field(default_factory=list)
    rows: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)

    def resume(self, shards: Sequence[Shard], replaced: Collection[str], sources: Mapping[str, Source]) -> None:
        def is_kept(shard: Shard) -> bool:
            if shard.source.rpartition("|")[0] in replaced or shard.is_outdated(self._metadata(shard.images)):
                return False
            return shard.source not in sources or sources[shard.source].pictures_of(shard.images) == shard.pictures

        kept = list(takewhile(is_kept, shards))
        for number in range(len(kept), len(shards)):
            shard_file(self.target, number).unlink()
        for shard in kept:
            for image in shard.images:
                self.done.setdefault(image, set()).add(shard.source)
            self.width = shard.features.shape[1]
            self.source, self.position = shard.source, shard.position
        self.number = len(kept)

    def convert(self, source: Source, progress: Progress) -> None:
        start = self.position if self.source == _key(source) else 0
        self.source, self.pictures_of, count, bad, total = _key(source), source.pictures_of, 0, 0, 1
        for entry in source.entries(start, self.done):
            count += 1
            self.position = entry.position
            if isinstance(entry.found, str):
                bad += 1
                self.report.findings.add(UNREADABLE, f"{source.name}: {entry.found}")
            else:
                self._add(entry.found)
            total = entry.total
            progress(f"regions: {source.name}", min(entry.position, total - 1), total)
        if bad > MOST_UNREADABLE * count:
            named = self._named(UNREADABLE)
            raise UnreadableData(f"{source.place}: {bad} of {count} entries are unreadable:\n{named}")
        self._write()
        progress(f"regions: {source.name}", total, total)

    def finish(self, images: Iterable[str]) -> RegionReport:
        for image in images:
            if image not in self.done:
                self.report.findings.add(NO_FEATURES, image)
        self.report.num_converted = len(self.done)
        digest = hashlib.sha256()
        for number in range(self.number):
            with shard_file(self.target, number).open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        facts = {"digest": digest.hexdigest(), "width": self.width, "num_images": len(self.done)}
        write_atomically(self.target / WHOLE, json.dumps(facts) + "\n")
        return self.report

    def _add(self, found: ImageRegions) -> None:
        image = self.finder.image(found.key)
        if image is None:
            self.report.findings.add(OTHER_IMAGE, printable(found.key))
            return
        earlier = self.done.get(image, set())
        if earlier and (self.source in earlier or not self.merge):
            self.report.findings.add(TWICE, printable(found.key))
            return
        if self.width not in (0, found.features.shape[1]):
            raise UnreadableData(
                f"{printable(found.key)}: {found.features.shape[1]} features a region, {self.width} in those before; "
                "convert features of one detector only, into an empty folder."
            )
        self.width = found.features.shape[1]
        self.done.setdefault(image, set()).add(self.source)
        self.images.append(image)
        self.rows.append(image_rows(*self._ordered(image, found, named=not earlier)))
        if len(self.images) == PER_SHARD:
            self._write()

    def _ordered(self, image: str, found: ImageRegions, *, named: bool) -> tuple[np.ndarray, np.ndarray]:
        """`named`: whether texts name these regions by the numbers of the image's objects."""
        for number in _outside(found.boxes):
            self.report.findings.add(OUTSIDE, f"{image}, region {number}: {found.boxes[number].tolist()}")
        metadata = read_metadata(self.pictures, image) if self.objects and named else None
        if metadata is None or not metadata.boxes or not metadata.width or not metadata.height:
            return found.features, found.boxes
        order, overlap = by_object(found.boxes, _relative(metadata))
        for number in np.flatnonzero(overlap < 0.5).tolist():
            self.report.findings.add(POOR_MATCH, f"{image}, object {number}: overlap {overlap[number]:.2f}")
        return found.features[order], found.boxes[order]

    def _write(self) -> None:
        if self.images:
            metadata = digest_of(self._metadata(self.images)) if self.objects else ""
            write_shard(
                self.target,
                self.number,
                self.images,
                self.rows,
                source=self.source,
                position=self.position,
                metadata=metadata,
                pictures=self.pictures_of(self.images),
            )
            self.number += 1
            self.images.clear()
            self.rows.clear()

    def _metadata(self, images: Sequence[str]) -> dict[str, str]:
        names = [name for name in map(metadata_name, images) if name in self.pictures]
        return {name: hashlib.sha256(self.pictures.read(name)).hexdigest() for name in names}

    def _named(self, kind: str) -> str:
        return "\n".join(self.report.findings.named[kind])


def _relative(metadata: Metadata) -> np.ndarray:
    size = [metadata.width, metadata.height]
    return np.asarray(metadata.boxes, dtype=np.float32) / np.array([*size, *size], dtype=np.float32)


def _outside(boxes_N4: np.ndarray) -> list[int]:
    inside = (boxes_N4 >= -_SLACK).all(axis=1) & (boxes_N4 <= 1 + _SLACK).all(axis=1)
    whole = inside & (boxes_N4[:, :2] < boxes_N4[:, 2:]).all(axis=1)
    return [int(place) for place in np.flatnonzero(~whole)]
