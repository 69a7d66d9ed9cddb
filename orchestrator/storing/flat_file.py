"""The view `trials` of a compacted study as one wide Parquet file, which queries over many studies read.

It is derived, so it may be missing or removed at any time. It names its sources, by time and size, and the version of
records. Once one of these has changed, or a trial has a file of its own again, it is derived again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from ablative.orchestrator.storing.folder import Folder
from ablative.orchestrator.storing.records import RECORD_VERSION

_SOURCES = b"made of"
_ROW_GROUP = 100_000
_FORMAT = ds.ParquetFileFormat(
    default_fragment_scan_options=ds.ParquetFragmentScanOptions(page_checksum_verification=True)
)


class FlatFile:
    """The file of one study."""

    def __init__(self, folder: Folder, study: str) -> None:
        self._folder = folder
        self._small = f"{study}/trials"
        self._made_of = (f"{study}/study.json", f"{study}/compacted/trials.parquet")
        self._path = f"{study}/flat/trials.parquet"

    def sources(self) -> bytes | None:
        """Return a value that distinguishes the study's states; None unless it has a plan and is compacted."""
        stamps = [self._folder.stamp(path) for path in self._made_of]
        if None in stamps or self._folder.names(self._small):
            return None
        return json.dumps([RECORD_VERSION, *stamps]).encode()

    def write(self, view: pa.Table, sources: bytes) -> None:
        """Write the view, made from `sources` in their state before it was read."""
        sink = pa.BufferOutputStream()
        schema = view.schema.with_metadata({_SOURCES: sources})
        with pq.ParquetWriter(sink, schema, compression="zstd", write_page_checksum=True) as writer:
            writer.write_table(view.replace_schema_metadata(schema.metadata), _ROW_GROUP)
        self._folder.write(self._path, sink.getvalue())

    def fragment(self) -> ds.ParquetFileFragment | None:
        """Return the file, whose columns are read on access; None if it is missing or out of date."""
        sources = self.sources()
        if sources is None or not self._folder.exists(self._path):
            return None
        try:
            fragment = self._folder.fragment(self._path, _FORMAT)
            made_of = (fragment.physical_schema.metadata or {}).get(_SOURCES)
        except (pa.ArrowException, OSError):
            return None
        return fragment if made_of == sources else None


def together(fragments: Sequence[ds.ParquetFileFragment]) -> list[ds.Dataset]:
    """Return data sets of the files with the same columns, in the order in which columns first appear."""
    alike: dict[str, list[ds.ParquetFileFragment]] = {}
    for fragment in fragments:
        alike.setdefault(fragment.physical_schema.to_string(show_schema_metadata=False), []).append(fragment)
    return [
        ds.FileSystemDataset(some, some[0].physical_schema.remove_metadata(), _FORMAT, some[0].filesystem)
        for some in alike.values()
    ]
