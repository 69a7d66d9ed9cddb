"""Digests of the texts of `mini_smoke`, by which a change of the generator is noticed.

Make the file again, after raising GENERATOR_VERSION: python -m tests.golden.make_mini_smoke
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path

from ablative.trainables.benchmark.build import ensure_benchmark
from ablative.trainables.benchmark.spec import GENERATOR_VERSION

GOLDEN = Path(__file__).with_name("mini_smoke_v2.json")


def text_digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every annotation file and of all boxes together, and the generator's version.

    Pictures are left out: their bytes change with the version of the drawing library.
    """
    boxes = hashlib.sha256()
    found: dict[str, str] = {"generator": str(GENERATOR_VERSION)}
    for path in sorted(folder.rglob("*.json*")):
        if path.with_suffix(".jpg").exists():
            boxes.update(path.read_bytes())
        else:
            found[path.relative_to(folder).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found | {"boxes": boxes.hexdigest()}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as cache:
        content = text_digests(ensure_benchmark("mini_smoke", Path(cache)))
        GOLDEN.write_text(json.dumps(content, indent=1) + "\n")
