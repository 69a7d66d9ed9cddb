"""The cost of `ablate data check` and `prepare` on a data set of VCR's size, and the gain for a trial.

    python benchmarks/prepare.py              # VCR's full counts, some minutes
    python benchmarks/prepare.py --quick      # a fifth of them, a minute

The data set is synthetic, and its pictures are empty files that nobody decodes: VCR's counts of questions and images
(train 212,923 and 80,418, val 26,534 and 9,929, test without labels 25,263 and 9,557), texts of about its lengths, a
quarter of the tokens tags. Each command runs in a process of its own, whose peak resident memory is measured; the
bound is 2 GB. Then 1 % of train is read, once from the JSON lines and once from the stored files, each in a fresh
process. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

COUNTS = {"train": (212_923, 80_418), "val": (26_534, 9_929), "test": (25_263, 9_557)}
"""Questions and images of each split."""
QUICK_SHARE = 0.2
MOST_MB = 2000
_OBJECTS = ["person", "person", "person", "dog", "chair", "person", "bottle", "diningtable"]
_LENGTHS = {"question": 8, "answer": 9, "rationale": 17}
"""Mean number of tokens."""
_WORDS = [f"word{number}" for number in range(8000)]
_ABLATE = [sys.executable, "-m", "ablative.orchestrator.ablate", "data"]
_READ = """
import json, resource, sys, time
from pathlib import Path
from ablative.trainables.data.load import load_split
from ablative.trainables.data.subsets import subset
from ablative.trainables.tasks.vcr import VCR
started = time.perf_counter()
part = subset(load_split(VCR, sys.argv[1], "train", Path(sys.argv[2])), 0.01, 1)
seconds = time.perf_counter() - started
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"examples": len(part.examples), "seconds": round(seconds, 2), "peak_mb": round(memory)}))
"""


def rows(split: str, share: float, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Yield the rows of one split, those of an image side by side as in VCR's files."""
    num_rows, num_images = (round(count * share) for count in COUNTS[split])
    for number in range(num_rows):
        image = number * num_images // num_rows
        row: dict[str, Any] = {
            "movie": f"movie_{image // 40}",
            "img_fn": f"movie_{image // 40}/{image}@0.jpg",
            "metadata_fn": f"movie_{image // 40}/{image}@0.json",
            "objects": _OBJECTS,
            "question": _tokens("question", rng),
            "answer_choices": [_tokens("answer", rng) for _ in range(4)],
            "rationale_choices": [_tokens("rationale", rng) for _ in range(4)],
            "annot_id": f"{split}-{number}",
        }
        if split != "test":
            row |= {"answer_label": int(rng.integers(4)), "rationale_label": int(rng.integers(4))}
        yield row


def _tokens(kind: str, rng: np.random.Generator) -> list[Any]:
    places = rng.integers(0, len(_WORDS), size=max(2, rng.poisson(_LENGTHS[kind]))).tolist()
    return [[place % len(_OBJECTS)] if place % 4 == 0 else _WORDS[place] for place in places]


def write(folder: Path, share: float) -> int:
    """Write the data set; return its bytes."""
    (folder / "vcr1images").mkdir(parents=True)
    for place, split in enumerate(COUNTS):
        with (folder / f"{split}.jsonl").open("w", encoding="utf-8") as file:
            for row in rows(split, share, np.random.default_rng(place)):
                file.write(json.dumps(row) + "\n")
                picture = folder / "vcr1images" / row["img_fn"]
                picture.parent.mkdir(exist_ok=True)
                picture.touch()
    return sum(path.stat().st_size for path in folder.glob("*.jsonl"))


def ran(command: str, folder: Path, cache: Path) -> dict[str, Any]:
    """Run `ablate data <command>` in its own process; return seconds, those of the processor, and peak memory."""
    started = time.perf_counter()
    environment = os.environ | {"ABLATE_CACHE": str(cache)}
    words = [*_ABLATE, command, "--quiet", "--no-decode", str(folder)]
    process = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"ablate data {command} ended with status {status}")
    return {
        "seconds": round(time.perf_counter() - started, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_mb": round(usage.ru_maxrss / 1024),
    }


def read(folder: Path, cache: Path) -> dict[str, Any]:
    """Read 1 % of train in a fresh process and return seconds and peak memory."""
    command = [sys.executable, "-c", _READ, str(folder), str(cache)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def main() -> None:
    """Write, prepare, read; print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fifth of VCR")
    share = QUICK_SHARE if parser.parse_args().quick else 1.0
    with tempfile.TemporaryDirectory() as scratch:
        folder, cache = Path(scratch) / "vcr", Path(scratch) / "cache"
        num_bytes = write(folder, share)
        print(json.dumps({"written_mb": round(num_bytes / 1e6)}), flush=True)
        checked, first = ran("check", folder, cache), ran("prepare", folder, cache)
        print(json.dumps({"check": checked, "prepare": first}), flush=True)
        from_text, from_store = read(folder, Path(scratch) / "empty"), read(folder, cache)
        stored = sum(path.stat().st_size for path in (cache / "examples").rglob("*.arrow"))
    figures = {
        "benchmark": "prepare",
        "questions": {split: round(count * share) for split, (count, _) in COUNTS.items()},
        "written_mb": round(num_bytes / 1e6),
        "stored_mb": round(stored / 1e6),
        "check": checked,
        "prepare": first,
        "bound_mb": MOST_MB,
        "within_bound": max(checked["peak_mb"], first["peak_mb"]) < MOST_MB,
        "one_percent_from_text": from_text,
        "one_percent_from_store": from_store,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
