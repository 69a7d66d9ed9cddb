"""Digests of a data set's contents: annotation files, metadata, pictures or converted region features.

The place of the files is not part of a digest. `<cache>/manifests/` keeps the result of the last look, so workers can
tell whether the data is still what their trials were planned with. Imports no torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from ablative.progress import Progress
from ablative.trainables.cache import place_key
from ablative.trainables.cache import write_atomically
from ablative.trainables.data.far import look as look_far
from ablative.trainables.data.layout import image_folder_of
from ablative.trainables.data.layout import task_folder
from ablative.trainables.data.manifest import FOLDER
from ablative.trainables.data.manifest import digest_of
from ablative.trainables.data.manifest import look
from ablative.trainables.data.pictures import DECODING_VERSION
from ablative.trainables.data.readers import read_examples
from ablative.trainables.data.reading import collected_rows
from ablative.trainables.data.sources import data_files
from ablative.trainables.data.sources import source
from ablative.trainables.data.sources import splits_of
from ablative.trainables.data.tables import read_table
from ablative.trainables.data.tables import write_table
from ablative.trainables.errors import MissingData
from ablative.trainables.file_digests import file_digests
from ablative.trainables.parts.task import Source
from ablative.trainables.parts.task import Task
from ablative.trainables.vision.region_shards import converted_files
from ablative.trainables.vision.region_shards import require_order

READER_VERSION = 1
"""Raised when the readers make different examples from the same files."""
_STORED_VERSION = 2
"""Raised when examples of the same files are stored in another form, though trials compute the same from them.

2: stored as written, no longer in lower case.
"""
_NAMES = pa.schema({"image": pa.string()})
_NAMES_VERSION = 1
"""Raised when the readers find other images in the same files."""
_STAGE = "images that the rows name"
_EVERY = 10_000
EXAMPLES = "examples"
"""Folder of all stored examples in the cache."""


def silent(stage: str, done: int, total: int) -> None:
    """Show nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataContent:
    """Hexadecimal SHA-256 digests of the parts of a real data set."""

    annotations: str
    metadata: str
    """Of the metadata files beside the images, as far as they exist."""
    regions: str = ""
    """Of converted region features; empty without any."""
    pictures: str = ""
    """Of the pictures that the annotations name, as far as they exist; empty if nobody has looked."""

    @property
    def digest(self) -> str:
        """One digest of the images that every trial reads: converted region features if any, else pictures."""
        seen = {"regions": self.regions} if self.regions else {"pictures": self.pictures}
        read = {"annotations": self.annotations, "metadata": self.metadata, "decoding": DECODING_VERSION}
        return hashed(read | seen)


def hashed(content: dict[str, object]) -> str:
    """Return the SHA-256 of a JSON object."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def data_content(
    task: Task, data: str, cache: Path, progress: Progress = silent, *, pictures: bool | None = None
) -> DataContent:
    """Look at a real data set. A million pictures take seconds, except the first time, when they are read.

    `pictures`: whether to look at them; None: only if no region features were converted. Raises MissingData. Raises
    UnreadableData if annotations do not show which images are meant, or if converted regions follow the objects of
    other metadata.
    """
    look_far(data, cache, progress)
    folder = task_folder(task, data, cache)
    image_folder = image_folder_of(task, folder)
    annotations = _annotations(task, folder, cache)
    converted = file_digests(converted_files(image_folder), cache)
    wanted = not converted if pictures is None else pictures
    names = _images(task, folder, annotations, cache, progress)
    manifest = look(image_folder, names, cache, progress, pictures=wanted)
    if converted and task.refers_to_boxes:
        require_order(image_folder, manifest.metadata)
    content = DataContent(
        annotations=annotations,
        metadata=digest_of(manifest.metadata),
        regions=_joined(converted),
        pictures=digest_of(manifest.pictures) if wanted else "",
    )
    _keep(kept_file(task, folder, cache), content)
    return content


def last_content(task: Task, data: str, cache: Path) -> DataContent | None:
    """Return the result of the last look; None without one, or if the annotations have changed since."""
    folder = task_folder(task, data, cache)
    last = _last(kept_file(task, folder, cache))
    return last if last and last.annotations == _annotations(task, folder, cache) else None


def verify_content(task: Task, data: str, cache: Path, digest: str) -> None:
    """Raise MissingData if the data is known to differ from `digest`: it was changed during the run.

    Looks at annotation files only. For pictures and metadata the last look counts, even if another run made it.
    """
    last = last_content(task, data, cache)
    if last is None or last.digest != digest:
        raise MissingData(
            f"{data}: the files of {task.name} have changed since this run was planned; run the same command "
            "again to plan with the new files"
        )


def examples_folder(content: DataContent, cache: Path) -> Path:
    """Return the folder of these files' stored examples, existing or not (`trainables.data.convert`)."""
    return cache / EXAMPLES / f"{_STORED_VERSION}-{content.annotations[:16]}-{content.metadata[:16]}"


def _annotations(task: Task, folder: Path, cache: Path) -> str:
    files = data_files(task, folder)
    named = dict(zip((_name_of(path, folder) for path in files), file_digests(files, cache), strict=True))
    chosen = {"options": task.changes} if task.changes else {}
    return hashed({"task": task.name, "reader": READER_VERSION, "files": named} | chosen)


def _name_of(path: Path, folder: Path) -> str:
    """Return a file's name in the digest: its own name, or its path in a subfolder, as names may repeat there."""
    if path.parent in (folder, folder / "slices") or not path.is_relative_to(folder):
        return path.name
    return path.relative_to(folder).as_posix()


def _joined(digests: list[str]) -> str:
    """Return the digest of converted features from those of their files; empty without any."""
    return hashlib.sha256(b"".join(map(bytes.fromhex, digests))).hexdigest() if digests else ""


def _images(task: Task, folder: Path, annotations: str, cache: Path, progress: Progress) -> list[str]:
    """Return the images that the annotations name; unchanged files are read only once."""
    path = cache / FOLDER / f"images-{_NAMES_VERSION}-{annotations[:16]}.arrow"
    table = read_table(path, _NAMES)
    if table is None:
        table = pa.table([list(dict.fromkeys(_named(task, folder, progress)))], schema=_NAMES)
        write_table(path, table)
    images: list[str] = table["image"].to_pylist()
    return images


def _named(task: Task, folder: Path, progress: Progress) -> Iterator[str]:
    """Yield the image of each row of each annotation file; the readers report unreadable rows."""
    origins = (source(task, folder, split) for split in splits_of(task, str(folder)))
    count = 0
    for origin in dict.fromkeys(Source(files=origin.files, blind=origin.blind) for origin in origins):
        with collected_rows():
            for example in read_examples(task, folder, "", origin, ()):
                yield example.image
                count += 1
                if count % _EVERY == 0:
                    progress(_STAGE, count, count + 1)
    if count >= _EVERY:
        progress(_STAGE, count, count)


def kept_file(task: Task, folder: Path, cache: Path) -> Path:
    """Return the cache's file for the last look at a data set."""
    place = place_key(folder, cache) + (json.dumps(task.changes, sort_keys=True) if task.changes else "")
    return cache / FOLDER / f"{task.name}-{hashlib.sha256(place.encode()).hexdigest()[:16]}.json"


def _keep(path: Path, content: DataContent) -> None:
    """Keep the result of a look; a look without pictures keeps the earlier result for them."""
    last = _last(path)
    same = ("annotations", "metadata", "regions")
    if not content.pictures and last and all(getattr(content, name) == getattr(last, name) for name in same):
        return
    if content != last:
        write_atomically(path, json.dumps(asdict(content)) + "\n")


def _last(path: Path) -> DataContent | None:
    try:
        return DataContent(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # only a memory: without it the data is looked at again
        return None
