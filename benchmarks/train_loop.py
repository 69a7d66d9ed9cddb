"""How fast our training loop is, beside a bare PyTorch loop and transformers' Trainer with the same model and batches.

    python benchmarks/train_loop.py              # uniter_tiny, some minutes
    python benchmarks/train_loop.py --quick      # about a minute
    python benchmarks/train_loop.py --bucketing 1   # batches as they are drawn
    python benchmarks/train_loop.py --clock cpu  # on a machine that others use too: this process's time alone

All sides read the same memory-mapped features and tokens, make the same batches in the same order, and take the same
AdamW steps with warm-up, decay and cut gradients. The bare loop knows no student of ours but the module: it logs
nothing, saves nothing and checks nothing. Sides take turns, `--rounds` times; figures are medians. Evaluations are
left out: ours has one at its end, on a split of one batch. Trainer needs `accelerate` (`pip install accelerate`) and
is left out without it. `loading` is the time that making a batch takes, as a share of our step. The last line is one
JSON object.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ablative.trainables.config import OptimConfig
from ablative.trainables.config import TrialConfig
from ablative.trainables.job import Alone
from ablative.trainables.job import TrialJob
from ablative.trainables.ranks import Ranks
from ablative.trainables.students.heads import task_loss
from ablative.trainables.students.kinds.uniter import UNITER_PRESETS
from ablative.trainables.torchvision_ops import declare_missing_ops
from ablative.trainables.training.inputs import SplitInputs
from ablative.trainables.training.loop import train
from ablative.trainables.training.optimizer import optimizer_of
from ablative.trainables.training.order import learning_rate
from synthetic import PLAIN
from synthetic import TINY
from synthetic import made_regions
from synthetic import made_split
from synthetic import made_step

EXAMPLES = 2048
BOUND, LOADING_BOUND = 0.97, 0.05
CPU = torch.device("cpu")
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
Side = Callable[[SplitInputs, SplitInputs, OptimConfig], None]


def ours(inputs: SplitInputs, val: SplitInputs, optim: OptimConfig) -> None:
    """The product's loop, with its checks, its course and its one evaluation."""
    job = TrialJob(trial_id="t", config=TrialConfig(optim=optim), seed=0, evaluate=("val",), cache="")
    alone = Ranks(rank=0, world=1)
    train(job, made_step(TINY, PLAIN), inputs, val, device=CPU, ranks=alone, teachers=(), link=Alone())


def bare(inputs: SplitInputs, val: SplitInputs, optim: OptimConfig) -> None:
    """What one would write in a notebook."""
    module = made_step(TINY, PLAIN).train()
    student, optimizer = module.student, optimizer_of(module, optim)
    for step, indices in enumerate(inputs.order(optim, optim.max_steps, 0)):
        for group in optimizer.param_groups:
            group["lr"] = optim.lr * learning_rate(step, optim.max_steps, optim.warmup_fraction)
        batch = inputs.batch(indices)
        loss = task_loss("exclusive", student(batch.inputs).logits, batch.targets_BK)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), optim.grad_clip)
        optimizer.step()


def trainer(inputs: SplitInputs, val: SplitInputs, optim: OptimConfig) -> None:
    """transformers' Trainer, told to do nothing but train; its data set is the places of examples in our order."""
    declare_missing_ops()
    import transformers

    class Module(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.step = made_step(TINY, PLAIN)

        def forward(self, places: torch.Tensor) -> dict[str, torch.Tensor]:
            batch = inputs.batch(places.numpy())
            loss = task_loss("exclusive", self.step.student(batch.inputs).logits, batch.targets_BK)
            return {"loss": loss}

    module = Module()
    order = np.concatenate(list(inputs.order(optim, optim.max_steps, 0)))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        made := optimizer_of(module, optim), lambda step: learning_rate(step, optim.max_steps, 0.1)
    )
    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=optim.batch_size,
            max_steps=optim.max_steps,
            max_grad_norm=optim.grad_clip,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
            train_sampling_strategy="sequential",
            remove_unused_columns=False,
        )
        places = [{"places": int(place)} for place in order]
        transformers.Trainer(module, arguments, train_dataset=places, optimizers=(made, schedule)).train()


def loading(inputs: SplitInputs, optim: OptimConfig, clock: Callable[[], float]) -> float:
    """Seconds that making all batches takes."""
    started = clock()
    for indices in inputs.order(optim, optim.max_steps, 0):
        inputs.batch(indices)
    return clock() - started


def main() -> None:
    """Let the sides take turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="60 steps, three rounds")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--bucketing", type=int, default=16, help="see optim.bucketing")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    options = parser.parse_args()
    steps, rounds = (60, options.rounds or 3) if options.quick else (300, options.rounds or 7)
    torch.set_num_threads(1)
    optim = OptimConfig(batch_size=32, bucketing=options.bucketing, min_steps=steps, max_steps=steps, evaluations=1)
    sides: dict[str, Side] = {"bare": bare, "ours": ours}
    if importlib.util.find_spec("accelerate"):
        sides["trainer"] = trainer
    spent = measured(sides, optim, rounds, CLOCKS[options.clock])
    median = {side: float(np.median(times)) for side, times in spent.items()}
    rate = {side: round(steps * optim.batch_size / median[side], 1) for side in sides}
    ratios = {f"ours_to_{side}": round(median[side] / median["ours"], 3) for side in sides if side != "ours"}
    share = round(median["loading"] / median["ours"], 4)
    spread = {side: round(float(np.ptp(times)), 2) for side, times in spent.items()}
    print(f"samples/s {rate}; seconds between the fastest and the slowest round {spread}")
    print(
        json.dumps(
            {
                "benchmark": "train_loop",
                "clock": options.clock,
                "bucketing": options.bucketing,
                "samples_per_s": rate,
                "ratios": ratios,
                "bound": BOUND,
                "loading_share": share,
                "loading_bound": LOADING_BOUND,
            }
        )
    )


def measured(
    sides: dict[str, Side], optim: OptimConfig, rounds: int, clock: Callable[[], float]
) -> dict[str, list[float]]:
    """Seconds of each side in each round, and of loading alone."""
    rng = np.random.default_rng(0)
    spent: dict[str, list[float]] = {**{side: [] for side in sides}, "loading": []}
    with tempfile.TemporaryDirectory() as name:
        split = made_split(TINY, EXAMPLES, rng)
        regions = made_regions(TINY, split, Path(name), rng)
        length = UNITER_PRESETS[TINY.preset].longest_text
        inputs = SplitInputs(split, regions, max_tokens=length, shown="both")
        val = SplitInputs(replace(split, examples=split.examples[:32]), regions, max_tokens=length, shown="both")
        for number in range(rounds):
            for side in list(sides)[:: 1 if number % 2 else -1]:
                started = clock()
                sides[side](inputs, val, optim)
                spent[side].append(clock() - started)
            spent["loading"].append(loading(inputs, optim, clock))
    return spent


if __name__ == "__main__":
    main()
