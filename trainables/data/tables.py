"""Arrow files of the cache that can be made again: written whole, and treated as absent if unreadable."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from ablative.trainables.cache import written_whole


def write_table(path: Path, table: pa.Table) -> None:
    """Write `table` whole or not at all, creating its folder if needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as scratch, pa.OSFile(str(scratch), "wb") as file:
        with pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)


def read_table(path: Path, schema: pa.Schema) -> pa.Table | None:
    """Return the table, memory-mapped; None if it is missing, damaged or of another schema."""
    try:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        table.validate(full=True)
        return table if table.schema.equals(schema) else None
    except Exception:  # damaged bytes raise nearly anything, and the file can be made again
        return None
