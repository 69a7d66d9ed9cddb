"""A teacher's confidence in VQA's answers: the probe with one softmax in the trial, and the one with sigmoids.

    python benchmarks/confidence.py              # made data of growing size, an hour on two cores
    python benchmarks/confidence.py --quick      # the smallest size

Synthetic embeddings; the answers of a question follow Zipf's law and depend on image and question through a planted
map, and a question has one to three right answers with scores of .3 to 1. `softmax` is the earlier method: dense, on
the CPU, one softmax over all answers and one fixed, weak penalty. `sigmoid`: in blocks on the device that is there,
its regularisation chosen on held-out folds. Each runs in a process of its own. Printed for each size: seconds, the
greatest memory of the process, the mean confidence in the truth `c_T` and what it should be (the same mean under the
planted probabilities, which a perfect student's sigmoids give), the mean distance between the two example by example,
and the share of examples whose best answer is right. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np
import torch

from ablative.trainables.distillation.confidence import truth_is_best
from ablative.trainables.distillation.confidence import truth_probability
from ablative.trainables.teachers import confidence
from ablative.trainables.teachers.answer_probe import FOLDS
from ablative.trainables.teachers.answer_probe import ProbeData
from ablative.trainables.teachers.answer_probe import cross_fitted
from ablative.trainables.training.devices import current_device

SIZES = ((500, 50), (2_000, 300), (8_000, 1_000), (16_000, 3_129))
"""(Examples, answers)."""
WIDTH = 64
QUESTIONS_AN_IMAGE = 5


class Made:
    """One made data set; `truth_NK` are its planted probabilities."""

    def __init__(self, count: int, classes: int) -> None:
        rng = np.random.default_rng(0)
        self.images = _unit(rng.normal(size=(max(FOLDS, count // QUESTIONS_AN_IMAGE), WIDTH)))
        self.texts = _unit(rng.normal(size=(max(10, count // 10), WIDTH)))
        self.image, self.text = rng.integers(len(self.images), size=count), rng.integers(len(self.texts), size=count)
        v, t = torch.from_numpy(self.images[self.image]), torch.from_numpy(self.texts[self.text])
        planted = torch.from_numpy(rng.normal(size=(3 * WIDTH, classes)).astype(np.float32)) * 4
        rates = 1.5 / np.arange(1, classes + 1) / np.log(classes)
        odds_NK = torch.cat([v, t, v * t * WIDTH**0.5], dim=1) @ planted
        odds_NK += torch.from_numpy(np.log(rates / (1 - rates)).astype(np.float32))
        self.truth_NK = odds_NK.sigmoid()
        right_NK = torch.from_numpy(rng.random((count, classes), dtype=np.float32)) < self.truth_NK
        self.targets = [
            [(int(k), float(rng.choice((0.3, 0.6, 0.9, 1.0)))) for k in row.nonzero().flatten()[:3]]
            for row in right_NK
        ]
        self.dense_NK = torch.zeros(count, classes)
        for row, targets in enumerate(self.targets):
            for k, score in targets:
                self.dense_NK[row, k] = score


def _unit(rows: np.ndarray) -> np.ndarray:
    found: np.ndarray = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return found


def softmax(made: Made) -> torch.Tensor:
    """Return (N, K) as they were: the very functions that classes which exclude each other still have."""
    v, t = torch.from_numpy(made.images[made.image]), torch.from_numpy(made.texts[made.text])
    inputs_NF = torch.cat([v, t, v * t * v.shape[1] ** 0.5, (v - t).abs()], dim=1)
    folds_N, result_NK = made.image % FOLDS, torch.zeros_like(made.dense_NK)
    for fold in range(FOLDS):
        inside = torch.from_numpy(folds_N == fold)
        weights, bias = confidence.fit_probe(inputs_NF[~inside], made.dense_NK[~inside])
        result_NK[inside] = (inputs_NF[inside] @ weights + bias).softmax(dim=-1)
    return result_NK


def sigmoid(made: Made) -> torch.Tensor:
    """Return (N, K) as they are; they are gathered here to be compared, which a trial does not do."""
    device = current_device()
    data = ProbeData.of(
        (made.images, made.image), (made.texts, made.text), made.targets, made.dense_NK.shape[1], device
    )
    result_NK = torch.zeros_like(made.dense_NK)
    for rows, probabilities in cross_fitted(data, torch.from_numpy(made.image % FOLDS).to(device)):
        result_NK[rows.cpu()] = probabilities.cpu()
    return result_NK


WAYS = {"softmax": softmax, "sigmoid": sigmoid}


def measured(way: str, count: int, classes: int) -> dict[str, float]:
    """Return the cost of one way, and its accuracy."""
    made = Made(count, classes)
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    probabilities_NK = WAYS[way](made)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    answered = made.dense_NK.sum(-1) > 0
    found_B, wanted_B = (
        truth_probability(of_NK, made.dense_NK)[answered] for of_NK in (probabilities_NK, made.truth_NK)
    )
    return {
        "seconds": round(seconds, 2),
        "processor_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2),
        "greatest_mb_more": round((after.ru_maxrss - before.ru_maxrss) / 1024, 1),
        "confidence": round(float(found_B.mean()), 4),
        "planted": round(float(wanted_B.mean()), 4),
        "distance": round(float((found_B - wanted_B).abs().mean()), 4),
        "correct": round(float(truth_is_best(probabilities_NK, made.dense_NK)[answered].float().mean()), 4),
    }


def main() -> None:
    """Measure both ways at each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the smallest size")
    parser.add_argument("--way", nargs=3, metavar=("WAY", "EXAMPLES", "ANSWERS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        way, count, classes = options.way
        print(json.dumps(measured(way, int(count), int(classes))))
        return
    sizes = []
    for count, classes in SIZES[:1] if options.quick else SIZES:
        found = {way: _in_a_process(way, count, classes) for way in WAYS}
        sizes.append({"examples": count, "answers": classes, **found})
        print(json.dumps(sizes[-1]), flush=True)
    print(json.dumps({"benchmark": "confidence", "device": str(current_device()), "sizes": sizes}))


def _in_a_process(way: str, count: int, classes: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--way", way, str(count), str(classes)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
