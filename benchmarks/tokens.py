"""What a trial of a large VCR spends on tokens before its first step, and on val while it trains.

    python benchmarks/tokens.py              # VCR's full counts, half an hour
    python benchmarks/tokens.py --quick      # a hundredth of them, half a minute

Made texts of VCR's lengths. `encoded`: the tokens are made in the trial, as they were before they were stored.
`built`: once, in the preparation. `opened`: what a trial does instead, in a fresh process. Of val: the sequences that
a trial evaluates, for all of val and under `optim.val_examples`. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from ablative.progress import silent
from ablative.trainables.data.examples import Candidate
from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.examples import Text
from ablative.trainables.data.subsets import choosing
from ablative.trainables.students.stored_tokens import build_tokens
from ablative.trainables.students.stored_tokens import open_tokens
from ablative.trainables.students.tokens import encode
from ablative.trainables.tasks.vcr import VCR

TRAIN, VAL = 404_553, 21_293
"""Examples: two an annotation, and val is a twentieth of train's images."""
QUICK_SHARE = 0.01
LONGEST = 220
CAP = 2_000
EVALUATIONS = 4
CANDIDATES = 4
_WORDS = ["why", "is", "the", "man", "looking", "at", "a", "woman", "because", "wants", "they", "going", "restaurant"]
_NAMES = ["alex", "sam", "robin", "lee", "kim", "max", "jordan", "taylor"]
_LENGTHS = {"query": 8, "answer": 9, "rationale": 17}


def split(name: str, count: int, seed: int) -> TaskSplit:
    """Return so many examples with made texts, every second one with rationales."""
    rng = np.random.default_rng(seed)
    examples = tuple(_example(name, number, rng) for number in range(count))
    return TaskSplit(task=VCR, split=name, examples=examples, image_folder="/made", boxes={}, classes=())


def _example(name: str, number: int, rng: np.random.Generator) -> Example:
    kind = ("answer", "rationale")[number % 2]
    query, segment = _text("query", rng), 2 + number % 2
    candidates = tuple(
        Candidate(query=query, response=_text(kind, rng), response_segment=segment) for _ in range(CANDIDATES)
    )
    group = f"{name}-{number // 2}"
    return Example(
        id=f"{group}/{kind}",
        image=f"{number // 10}.jpg",
        candidates=candidates,
        targets=((0, 1.0),),
        stratum=kind,
        group=group,
    )


def _text(kind: str, rng: np.random.Generator) -> Text:
    words, references, place = [], [], 0
    for _ in range(max(2, rng.poisson(_LENGTHS[kind]))):
        tag = int(rng.integers(8)) if rng.random() < 0.2 else None
        word = _WORDS[rng.integers(len(_WORDS))] if tag is None else _NAMES[tag]
        if tag is not None:
            references.append((place, place + len(word), tag))
        words.append(word)
        place += len(word) + 1
    return Text(text=" ".join(words), references=tuple(references))


def timed(run: Callable[[], object]) -> float:
    """Return the seconds that `run` takes."""
    started = time.perf_counter()
    run()
    return round(time.perf_counter() - started, 2)


def trial(way: str, count: int, cache: Path) -> dict[str, float]:
    """Return what a trial's process spends until it can draw batches, and on the batches of one evaluation."""
    train = split("train", count, 1)
    started, worked = time.perf_counter(), time.process_time()
    found = (
        open_tokens(train, LONGEST, None, cache)
        if way == "opened"
        else encode([c for example in train.examples for c in example.candidates], LONGEST)
    )
    assert found is not None
    seconds, processor = time.perf_counter() - started, time.process_time() - worked
    rng = np.random.default_rng(0)
    rows = [rng.integers(len(train.examples) * CANDIDATES, size=256) for _ in range(200)]
    batch_ms = timed(lambda: [found.rows(some) for some in rows]) * 1000 / len(rows)
    return {"seconds": round(seconds, 2), "processor_s": round(processor, 2), "ms_a_batch_of_256": round(batch_ms, 2)}


def main() -> None:
    """Build once; then open, and encode, each in a fresh process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a hundredth of VCR")
    parser.add_argument("--trial", nargs=3, metavar=("WAY", "EXAMPLES", "CACHE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.trial:
        way, count, cache = options.trial
        print(json.dumps(trial(way, int(count), Path(cache))))
        return
    share = QUICK_SHARE if options.quick else 1.0
    count, val = round(TRAIN * share), split("val", round(VAL * share), 2)
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        train = split("train", count, 1)
        built, again = (timed(partial(build_tokens, train, LONGEST, None, cache, silent)) for _ in range(2))
        size = sum(path.stat().st_size for path in cache.rglob("*.arrow")) / 1e6
        ways = {way: _in_a_process(way, count, cache) for way in ("opened", "encoded")}
    capped = choosing(val, round(CAP * share))
    found = {
        "benchmark": "tokens",
        "examples": count,
        "built_s": built,
        "looked_at_again_s": again,
        "mb_on_disk": round(size, 1),
        **ways,
        "val_sequences_a_trial": {
            "all": EVALUATIONS * CANDIDATES * len(val.examples),
            "capped": CANDIDATES * (EVALUATIONS * len(capped.examples) + len(val.examples)),
        },
    }
    print(json.dumps(found))


def _in_a_process(way: str, count: int, cache: Path) -> dict[str, float]:
    command = [sys.executable, str(Path(__file__)), "--trial", way, str(count), str(cache)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
