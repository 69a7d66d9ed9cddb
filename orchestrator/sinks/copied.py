"""Notes, in a folder beside a sink's files, which trials it already has."""

from __future__ import annotations

from pathlib import Path

from ablative.orchestrator.storing.records import Record


class Copied:
    """One small file for each trial that says which ending was copied, because a failed trial may run again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / ".copied"
        self._folder.mkdir(parents=True, exist_ok=True)

    def ending(self, record: Record) -> str | None:
        """Return which ending of the trial was copied, None if none was."""
        try:
            return (self._folder / record.trial_id).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def has(self, record: Record) -> bool:
        """Return whether this ending of the trial was copied."""
        return self.ending(record) == _ending(record)

    def add(self, record: Record) -> None:
        """Note that this ending of the trial was copied."""
        (self._folder / record.trial_id).write_text(_ending(record), encoding="utf-8")


def _ending(record: Record) -> str:
    return record.finished_at.isoformat()
