"""The bundled benchmark for the command line: what to prepare, and what the cache holds."""

from __future__ import annotations

from pathlib import Path

from ablative.trainables.benchmark.spec import tasks_made
from ablative.trainables.config import DistillationConfig
from ablative.trainables.config import TaskConfig
from ablative.trainables.config import TrialConfig


def configs(data: str) -> list[TrialConfig]:
    """Return a configuration for each task whose trials read all of the benchmark, including teacher features."""
    everything = DistillationConfig.model_validate({"terms": {"image": 1.0, "text": 1.0, "tokens": 1.0}})
    return [
        TrialConfig(task=TaskConfig(name=task, data=data), distillation=everything)
        for task in ("snli_ve", "vqa", "vcr")
        if task in tasks_made(data)
    ]


def folders(cache: Path) -> list[tuple[str, int, int]]:
    """Return (name, number of files, bytes) of each folder in the cache, in order of name."""
    if not cache.is_dir():
        return []
    return [_size(folder) for folder in sorted(cache.iterdir()) if folder.is_dir()]


def _size(folder: Path) -> tuple[str, int, int]:
    sizes = {entry.stat().st_ino: entry.stat().st_size for entry in folder.rglob("*") if entry.is_file()}
    return folder.name, len(sizes), sum(sizes.values())  # pictures are linked into several tasks: counted once
