from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from ablative.trainables.benchmark.spec import preset
from ablative.trainables.config import TrialConfig
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


def test_the_bundled_benchmark_tells_how_far_its_pictures_are(tmp_path: Path) -> None:
    """Made before anything else of it is read, and not in silence on the way."""
    told: list[tuple[str, int, int]] = []

    class Enough(Exception):
        pass

    def progress(*event: int | str) -> None:
        told.append(event)
        if event[0] != "drawing scenes":
            raise Enough

    with suppress(Enough):
        prepare([TrialConfig.model_validate({"task": {"data": "mini_smoke"}})], tmp_path, progress)
    size = sum(size.scenes for size in preset("mini_smoke").sizes.values())
    assert told[:2] == [("drawing scenes", 50, size), ("drawing scenes", 100, size)]
