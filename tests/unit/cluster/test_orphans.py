from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.helpers.sources import IMPORT_PATH

PARENT = """
import subprocess, sys
print(subprocess.Popen([sys.executable, "-c", sys.argv[1]]).pid, flush=True)
sys.stdin.read()
"""
CHILD = """
from ablative.cluster.orphans import end_without_parent
end_without_parent(every_s=0.05)
print("watches", flush=True)
sum(1 for _ in iter(int, 1))
"""


def test_a_busy_process_ends_with_the_one_that_started_it() -> None:
    environment = {**os.environ, "PYTHONPATH": IMPORT_PATH}
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, CHILD],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert parent.stdout.readline() == "watches\n"
        assert _runs(child)
        parent.kill()
    until = time.monotonic() + 10
    while _runs(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _runs(child)


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
