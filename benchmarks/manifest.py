"""The time to look at a data set's pictures: for the first time, and again when little or nothing has changed.

    python benchmarks/manifest.py              # 200,000 pictures, some minutes
    python benchmarks/manifest.py --quick      # 20,000, less than a minute
    python benchmarks/manifest.py --files 1000000 --bytes 2000

The pictures are files of random bytes, a thousand a folder as in VCR, half of them with a metadata file beside them.
The baseline opens, reads and hashes one file after the other, every time. Both sides read from the page cache, because
the files were written just before. A disk would add the same time to both first looks. It would add nothing to a
second look, which opens no file. The faster of two rounds counts. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ablative.trainables.data.boxes import metadata_name
from ablative.trainables.data.manifest import Manifest
from ablative.trainables.data.manifest import look
from ablative.trainables.file_digests import UNSETTLED_NS

QUICK_FILES = 20_000
FULL_FILES = 200_000
A_FOLDER = 1000
ROUNDS = 2


def write_pictures(folder: Path, count: int, size: int) -> list[str]:
    """Write `count` pictures of about `size` bytes and metadata beside every other one; return the pictures' names."""
    names = [f"film_{number // A_FOLDER}/{number}@0.jpg" for number in range(count)]
    for number, name in enumerate(names):
        if number % A_FOLDER == 0:
            (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(os.urandom(size))
        if number % 2:
            (folder / metadata_name(name)).write_text(json.dumps({"boxes": [[1, 2, number, 40, 0.9]]}))
    return names


def plain(folder: Path) -> int:
    """Hash every file, one after the other; return how many there are."""
    count = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            with open(f"{parent}/{name}", "rb") as file:
                hashlib.sha256(file.read()).hexdigest()
            count += 1
    return count


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that `work` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def measure(folder: Path, names: list[str]) -> dict[str, float]:
    """Return the seconds of each way, the best of the rounds."""
    found: dict[str, list[float]] = {"plain": [], "first": [], "second": [], "changed": []}
    for number in range(ROUNDS):
        cache = folder.parent / f"cache-{number}"

        def look_again(cache: Path = cache) -> Manifest:
            return look(folder, names, cache, lambda what, done, total: None)

        found["plain"].append(timed(lambda: plain(folder)))
        found["first"].append(timed(look_again))
        found["second"].append(timed(look_again))
        for name in names[:: len(names) // 10]:
            (folder / name).write_bytes(b"another picture")
        found["changed"].append(timed(look_again))
        time.sleep(UNSETTLED_NS / 1e9)  # or the next round would rightly read these once more
    return {way: min(seconds) for way, seconds in found.items()}


def main() -> None:
    """Measure, and print a table and one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_FILES:,} pictures")
    parser.add_argument("--files", type=int, help=f"pictures [{FULL_FILES:,}]")
    parser.add_argument("--bytes", type=int, default=8000, help="size of a picture [8000]")
    options = parser.parse_args()
    count = options.files or (QUICK_FILES if options.quick else FULL_FILES)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "pictures"
        names = write_pictures(folder, count, options.bytes)
        time.sleep(UNSETTLED_NS / 1e9)
        seconds = measure(folder, names)
    for way, told in (
        ("plain", "plain, each time"),
        ("first", "first look"),
        ("second", "second look"),
        ("changed", "ten pictures replaced"),
    ):
        print(f"{told:<22} {seconds[way]:8.2f} s   {seconds['plain'] / seconds[way]:6.2f} times as fast as plain")
    result = {
        "pictures": count,
        "bytes": options.bytes,
        "cores": os.cpu_count(),
        "seconds": {way: round(value, 2) for way, value in seconds.items()},
        "first_to_plain": round(seconds["first"] / seconds["plain"], 2),
        "second_to_plain": round(seconds["second"] / seconds["plain"], 3),
        "second_seconds_a_million": round(seconds["second"] / count * 1e6, 1),
        "load": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
