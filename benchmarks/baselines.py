"""How hard the bundled benchmark is: the plain student at four fractions, beside text-only, image-only and chance.

    python benchmarks/baselines.py            # all fractions and tasks: some 20 minutes on two cores
    python benchmarks/baselines.py --quick    # the smallest benchmark, a minute: it runs, but says little

Each figure is test accuracy of the weights that were best on val (VCR: Q->AR). The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from statistics import mean
from typing import Any

from ablative.trainables.cache import cache_folder
from ablative.trainables.config import TrialConfig
from ablative.trainables.job import Alone
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from ablative.trainables.prepare import prepare

CHANCE = {"snli_ve": 1 / 3, "vqa": None, "vcr": 1 / 16}
"""VQA has no fixed number of choices: a constant answer is its floor (docs/benchmark.md)."""
FRACTIONS = (0.01, 0.05, 0.2, 1.0)
OPTIM: dict[str, dict[str, Any]] = {
    "snli_ve": {"batch_size": 32, "min_steps": 120, "max_steps": 1500, "lr": 5e-4, "epochs": 6},
    "vqa": {"batch_size": 32, "min_steps": 120, "max_steps": 1500, "lr": 5e-4, "epochs": 6},
    "vcr": {"batch_size": 16, "min_steps": 120, "max_steps": 600, "lr": 5e-4, "epochs": 6},
}
QUICK_OPTIM = {"batch_size": 16, "min_steps": 10, "max_steps": 10}


def jobs(data: str, seeds: list[int], quick: bool) -> Iterator[tuple[str, str, float, TrialJob]]:
    """(task, what the student sees, fraction, job) of every trial."""
    for task, optim in OPTIM.items():
        for shown, fractions in (("both", FRACTIONS), ("text", (1.0,)), ("image", (1.0,))):
            for fraction in fractions:
                for seed in seeds:
                    config = TrialConfig.model_validate(
                        {
                            "task": {"name": task, "data": data, "data_fraction": fraction, "inputs": shown},
                            "optim": QUICK_OPTIM if quick else optim,
                        }
                    )
                    job = TrialJob(
                        trial_id=f"{task}-{shown}-{fraction}-{seed}",
                        config=config,
                        seed=seed,
                        evaluate=("test",),
                        cache=str(cache_folder()),
                    )
                    yield task, shown, fraction, job


def run(job: TrialJob) -> TrialOutcome:
    """One trial, in a process of its own."""
    from ablative.trainables.trial import run_trial

    return run_trial(job, Alone())


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="mini_smoke, ten steps, one seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    data = "mini_smoke" if arguments.quick else "mini"
    todo = list(jobs(data, arguments.seeds[:1] if arguments.quick else arguments.seeds, arguments.quick))
    prepare([job.config for *_, job in todo], cache_folder(), lambda what, done, total: None)
    found: dict[tuple[str, str, float], list[float]] = defaultdict(list)
    seconds: dict[tuple[str, str, float], list[float]] = defaultdict(list)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.workers, mp_context=spawn) as pool:
        for (task, shown, fraction, _), outcome in zip(todo, pool.map(run, [j for *_, j in todo]), strict=True):
            if outcome.status != "completed":
                raise SystemExit(f"{task}, {shown}, {fraction}: {outcome.error}")
            found[task, shown, fraction].append(outcome.metrics["test/accuracy"])
            seconds[task, shown, fraction].append(outcome.seconds)
            print(
                f"{task} {shown} {fraction:g}: {found[task, shown, fraction][-1]:.3f}, {outcome.seconds:.0f} s",
                flush=True,
            )
    print(table(found))
    figures = {
        f"{task}/{shown}/{fraction:g}": {
            "accuracy": mean(values),
            "seconds": mean(seconds[task, shown, fraction]),
            "seeds": len(values),
        }
        for (task, shown, fraction), values in found.items()
    }
    print(json.dumps(figures))


def table(found: dict[tuple[str, str, float], list[float]]) -> str:
    """Markdown: a row a task."""
    heads = [f"{fraction:g}" for fraction in FRACTIONS]
    lines = [
        "| task | chance | text only | image only | " + " | ".join(f"{head} of train" for head in heads) + " |",
        "| --- " * (4 + len(heads)) + "|",
    ]
    for task, chance in CHANCE.items():
        cells = ["-" if chance is None else f"{chance:.3f}"]
        cells += [f"{mean(found[task, shown, 1.0]):.3f}" for shown in ("text", "image")]
        cells += [f"{mean(found[task, 'both', fraction]):.3f}" for fraction in FRACTIONS]
        lines.append(f"| {task} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
