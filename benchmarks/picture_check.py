"""How fast `ablate data check` decodes pictures: beside a plain loop that decodes one after the other.

    python benchmarks/picture_check.py            # 5,000 pictures of COCO's size, some minutes
    python benchmarks/picture_check.py --quick    # 1,500

The pictures are JPEGs of 640 x 480 and about 95 kB: smooth colours with added noise. Only 25 differ, under as many
names as asked for, so the page cache holds them. Three ways are timed:

- the plain loop (`Pictures.picture`), as a reader without a check of its own would do it;
- the check in one process, which decodes a plain JPEG at an eighth of its size;
- the check as the command runs it, with one process per core, start-up included.

Each way must find the one damaged picture. If other work uses the cores, CPU time per picture says more than the rate.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from ablative.trainables.data.picture_check import looked_at
from ablative.trainables.data.pictures import Pictures
from ablative.trainables.errors import UnreadableData

COUNT, QUICK = 5000, 1500
DISTINCT = 25
SIZE = (640, 480)


def jpeg(rng: np.random.Generator) -> bytes:
    """Return a picture that compresses about as photographs do."""
    colours = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)).resize(SIZE, Image.Resampling.BICUBIC)
    noisy = np.asarray(colours, dtype=np.float32) + rng.normal(0, 6, (SIZE[1], SIZE[0], 3)).astype(np.float32)
    out = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(out, "JPEG", quality=90)
    return out.getvalue()


def write(folder: Path, count: int) -> list[str]:
    """Write the pictures, the last one cut short; return their names."""
    rng = np.random.default_rng(0)
    contents = [jpeg(rng) for _ in range(DISTINCT)]
    names = [f"{number:06d}.jpg" for number in range(count)]
    for number, name in enumerate(names):
        (folder / name).write_bytes(contents[number % DISTINCT])
    (folder / names[-1]).write_bytes(contents[0][:20_000])
    return names


def plain(folder: Path, names: list[str]) -> int:
    """Decode one picture after the other; return how many cannot be decoded."""
    pictures, bad = Pictures(folder), 0
    for name in names:
        try:
            pictures.picture(name)
        except UnreadableData:
            bad += 1
    return bad


def checked(folder: Path, names: list[str], workers: int | None) -> int:
    """Decode as `ablate data check` does; return how many pictures cannot be decoded."""
    return sum(found.size is None for found in looked_at(folder, names, lambda *_: None, workers))


def measured(work: Callable[[], int], count: int) -> tuple[float, float]:
    """Return pictures a second of `work`, which must find the damaged one, and processor ms a picture."""
    started, before = time.perf_counter(), sum(os.times()[:4])
    bad = work()
    seconds, processor = time.perf_counter() - started, sum(os.times()[:4]) - before
    if bad != 1:
        raise SystemExit(f"{bad} damaged pictures were found, there is 1")
    return count / seconds, processor / count * 1000


def main() -> None:
    """Write, decode in three ways, print the rates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} pictures")
    count = QUICK if parser.parse_args().quick else COUNT
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        names = write(folder, count)
        num_bytes = sum((folder / name).stat().st_size for name in names)
        found = {
            "plain_loop": measured(lambda: plain(folder, names), count),
            "check_one_process": measured(lambda: checked(folder, names, 1), count),
            "check": measured(lambda: checked(folder, names, None), count),
        }
    rates = {name: rate for name, (rate, _) in found.items()}
    for name, (rate, processor) in found.items():
        ratio = rate / rates["plain_loop"]
        print(
            f"{name:<18} {rate:8.0f} pictures/s  {processor:6.2f} ms of processor each  {ratio:.2f} of the plain loop"
        )
    figures = {
        "benchmark": "picture_check",
        "pictures": count,
        "mean_kb": round(num_bytes / count / 1000),
        "cores": len(os.sched_getaffinity(0)),
        "pictures_per_second": {name: round(rate) for name, rate in rates.items()},
        "processor_ms": {name: round(processor, 2) for name, (_, processor) in found.items()},
        "load": round(os.getloadavg()[0], 1),
        "ratio": round(rates["check"] / rates["plain_loop"], 2),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
