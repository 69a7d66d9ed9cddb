"""A store on a disk that is really full: a tmpfs of a quarter of a megabyte, mounted in a namespace of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ablative.orchestrator.storing.store import Store

pytestmark = pytest.mark.slow

STUDY = """
study: full
question: What becomes of a study when the disk is full?
base: {task: {name: snli_ve}}
arms: {listed: {plain: {}, dropout: {student.dropout: 0.2}}}
seeds: {search: [0], confirm: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]}
"""
NUM_TRIALS = 40
SCRIPT = """
set -u
mount -t tmpfs -o size=250k tmpfs "$1/disk"
python=$2
ablate() { "$python" -m ablative.orchestrator.commands.cli "$@"; }
ablate simulate "$1/full.yaml" --engine inline --store "$1/disk/store" -q
echo "first: $?"
cp -r "$1/disk/store" "$1/when_full"
mount -o remount,size=50m "$1/disk"
ablate simulate "$1/full.yaml" --engine inline --store "$1/disk/store" -q > "$1/table"
echo "second: $?"
cp -r "$1/disk/store" "$1/in_the_end"
"""


def results(store: Path) -> dict[str, dict[str, float]]:
    """Return trial id -> metrics of what is recorded; nothing in the store may be unreadable."""
    opened = Store.open(str(store))
    records = opened.records("simulated-full")
    assert opened.problems == []
    return {record.trial_id: record.metrics for record in records}


def test_a_full_disk_ends_the_run_with_a_remedy_and_keeps_every_record(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "full.yaml").write_text(STUDY)
    call = ["unshare", "-rm", "bash", "-c", SCRIPT, "bash", str(tmp_path), sys.executable]
    done = subprocess.run(call, capture_output=True, text=True, check=True, timeout=300)

    assert re.findall(r"(first|second): (\d+)", done.stdout) == [("first", "2"), ("second", "0")]
    assert "Traceback" not in done.stderr
    assert f"store '{tmp_path}/disk/store" in done.stderr and "cannot write" in done.stderr
    assert "No space left on device; free some space there, then run the same command again" in done.stderr
    when_full, in_the_end = results(tmp_path / "when_full"), results(tmp_path / "in_the_end")
    assert 0 < len(when_full) < NUM_TRIALS == len(in_the_end)
    assert when_full.items() <= in_the_end.items()

    undisturbed = [
        "-m",
        "ablative.orchestrator.commands.cli",
        "simulate",
        str(tmp_path / "full.yaml"),
        "--engine",
        "inline",
        "-q",
    ]
    subprocess.run([sys.executable, *undisturbed, "--store", str(tmp_path / "roomy")], check=True, capture_output=True)
    assert results(tmp_path / "roomy") == in_the_end
