"""Published fine-tuning recipes by name, as values of a trial's configuration. Imports no torch.

From the fine-tuning configurations in UNITER's repository (github.com/ChenRocks/UNITER). A study names one in its base
(`base: {recipe: uniter_base_vqa}`) and may overrule any value. Common to all, and what `OptimConfig` does anyway:
AdamW with betas .9 and .98, weight decay .01, dropout .1, gradient norm 2, linear warm-up and decay.

They count a batch in tokens of text and image together (tokens x accumulation x GPUs); ours is counted in examples, so
each `batch_size` is that product over a mean length of our choosing, rounded: 80,000 / 75 for VCR, 32,768 / 55 and
16,384 / 55 for SNLI-VE (on two GPUs, which is not known of the large model), 102,400 / 50 and 98,304 / 50 for VQA.
Steps are exact, whatever the data fraction: least and greatest are one number. Their float16 is bfloat16 here.

VILLA's recipes are UNITER's with adversarial steps, and VL-BERT's is SGD with drops: neither is here.
"""

from __future__ import annotations

from typing import Any


def _recipe(preset: str, *, lr: float, batch_size: int, steps: int, head: float = 1.0) -> dict[str, Any]:
    """Return a recipe; all of UNITER's warm up over a tenth of their steps."""
    return {
        "student": {"preset": preset, "dropout": 0.1},
        "optim": {
            "lr": lr,
            "head_lr_factor": head,
            "weight_decay": 0.01,
            "batch_size": batch_size,
            "min_steps": steps,
            "max_steps": steps,
            "warmup_fraction": 0.1,
            "grad_clip": 2.0,
            "precision": "bfloat16",
        },
    }


RECIPES: dict[str, dict[str, Any]] = {
    "uniter_base_vcr": _recipe("uniter_base", lr=6e-5, batch_size=1024, steps=8000),
    "uniter_base_snli_ve": _recipe("uniter_base", lr=8e-5, batch_size=576, steps=4000),
    "uniter_base_vqa": _recipe("uniter_base", lr=8e-5, batch_size=2048, steps=6000, head=10.0),
    "uniter_large_snli_ve": _recipe("uniter_large", lr=3e-5, batch_size=288, steps=4000),
    "uniter_large_vqa": _recipe("uniter_large", lr=5e-5, batch_size=2048, steps=5000, head=10.0),
}
"""Name -> values of a trial's configuration, nested as in a study's base."""
