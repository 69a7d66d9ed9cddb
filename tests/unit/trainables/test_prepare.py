from __future__ import annotations

import threading
from pathlib import Path

from filelock import FileLock

from ablative.trainables.prepare import prepare


def test_a_preparation_that_has_to_wait_says_so_and_goes_on(tmp_path: Path) -> None:
    said: list[str] = []
    told = threading.Event()

    def progress(what: str, done: int, total: int) -> None:
        said.append(what)
        told.set()

    held = FileLock(tmp_path / "prepare.lock")
    held.acquire()
    waiting = threading.Thread(target=prepare, args=([], tmp_path, progress))
    waiting.start()
    assert told.wait(timeout=10)
    assert waiting.is_alive()
    held.release()
    waiting.join(timeout=10)

    assert not waiting.is_alive()
    assert said == ["waiting for another process that prepares the same cache"]
