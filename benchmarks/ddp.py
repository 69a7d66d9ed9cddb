"""Whether two workers train as one does: the losses of our loop on gloo, beside one process with the same batches.

    python benchmarks/ddp.py           # 40 steps of uniter_tiny
    python benchmarks/ddp.py --quick   # 10 steps

The same global batch of 16 examples, seed and initial weights; data read as in a trial. Workers take every second
example of a batch, gradients are averaged, a loss is the mean of the workers', and weights are normalised over the
batch of all workers. Dropout is 0, as each worker draws its own. Padding differs between shares, so sums are rounded
otherwise: hence a tolerance and not equal bits. Printed for raw and for normalised weights. The last line is one JSON
object; the exit status is 1 if the tolerance is exceeded.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed
from torch.nn.parallel import DistributedDataParallel

from ablative.trainables.config import DistillationConfig
from ablative.trainables.config import OptimConfig
from ablative.trainables.ranks import Ranks
from ablative.trainables.ranks import current_ranks
from ablative.trainables.students.kinds.uniter import UNITER_PRESETS
from ablative.trainables.training.inputs import SplitInputs
from ablative.trainables.training.loop import take_step
from ablative.trainables.training.optimizer import optimizer_of
from ablative.trainables.training.order import batch_indices
from synthetic import CLIP_TD
from synthetic import TINY
from synthetic import made_regions
from synthetic import made_split
from synthetic import made_step
from train_step import made_table

TOLERANCE = 1e-5
"""Greatest relative difference of a loss over the steps."""
EXAMPLES = 256
OPTIM = OptimConfig(batch_size=16, lr=1e-4)
PATIENCE = timedelta(seconds=300)


def losses(distillation: DistillationConfig, steps: int, ranks: Ranks) -> list[float]:
    """The loss of each step, the mean over workers; the same on all."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        split = made_split(TINY, EXAMPLES, rng)
        regions = made_regions(TINY, split, Path(name), rng)
        inputs = SplitInputs(split, regions, max_tokens=UNITER_PRESETS[TINY.preset].longest_text, shown="both")
        table = made_table(TINY, split, Path(name), rng)
        step_module = made_step(TINY, distillation, dropout=0.0).train()
        module = DistributedDataParallel(step_module) if ranks.world > 1 else step_module
        optimizer = optimizer_of(module, OPTIM)
        told = []
        for number, indices in enumerate(batch_indices(EXAMPLES, OPTIM.batch_size, steps, 0)):
            share = indices[ranks.rank :: ranks.world]
            found, _ = take_step(
                module, optimizer, [(inputs.batch(share), (table(share),))], progress=number / steps, optim=OPTIM
            )
            told.append(float(np.mean(ranks.gathered(found["loss"]))))
    return told


def _work(rank: int, world: int, distillation: DistillationConfig, steps: int, folder: str) -> None:
    torch.set_num_threads(1)
    if world > 1:
        meeting = f"file://{folder}/meeting-{distillation.weighting.normalise}"
        torch.distributed.init_process_group(
            "gloo", init_method=meeting, rank=rank, world_size=world, timeout=PATIENCE
        )
    told = losses(distillation, steps, current_ranks())
    if rank == 0:
        (Path(folder) / f"losses-{world}.json").write_text(json.dumps(told))
    if world > 1:
        torch.distributed.destroy_process_group()


def compared(*, normalise: bool, steps: int) -> dict[str, Any]:
    """Losses of one and of two workers, and the greatest relative difference."""
    weighting = CLIP_TD.weighting.model_copy(update={"normalise": normalise})
    distillation = CLIP_TD.model_copy(update={"weighting": weighting})
    with tempfile.TemporaryDirectory() as folder:
        for world in (1, 2):
            torch.multiprocessing.spawn(_work, args=(world, distillation, steps, folder), nprocs=world)
        one, two = (np.array(json.loads((Path(folder) / f"losses-{world}.json").read_text())) for world in (1, 2))
    return {
        "first": [round(float(rows[0]), 6) for rows in (one, two)],
        "last": [round(float(rows[-1]), 6) for rows in (one, two)],
        "greatest_relative_difference": float(np.abs(one - two).max() / np.abs(one).max()),
    }


def main() -> None:
    """Compare, with raw and with normalised weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="10 steps")
    steps = 10 if parser.parse_args().quick else 40
    rows = {"as_they_are": compared(normalise=False, steps=steps), "normalised": compared(normalise=True, steps=steps)}
    for name, row in rows.items():
        print(f"weights {name}: {json.dumps(row)}", flush=True)
    within = all(row["greatest_relative_difference"] <= TOLERANCE for row in rows.values())
    print(json.dumps({"benchmark": "ddp", "steps": steps, "tolerance": TOLERANCE, "within": within, "sides": rows}))
    sys.exit(not within)


if __name__ == "__main__":
    main()
