"""Published fine-tuning recipes by name, as values of a trial's configuration. Imports no torch.

From the fine-tuning configurations in the repositories of UNITER (github.com/ChenRocks/UNITER), VILLA
(github.com/zhegan27/VILLA) and VL-BERT (github.com/jackroos/VL-BERT). A study names one in its base
(`base: {recipe: uniter_base_vqa}`) and may overrule any value. Common to UNITER's and VILLA's, and what `OptimConfig`
does anyway: AdamW with betas .9 and .98, weight decay .01, dropout .1, gradient norm 2, linear warm-up and decay.

They count a batch in tokens of text and image together (tokens x accumulation x GPUs); ours is counted in examples, so
each `batch_size` is that product over a mean length of our choosing, rounded: 80,000 / 75 for VCR, 32,768 / 55 and
16,384 / 55 for SNLI-VE (on two GPUs, which is not known of the large model), 102,400 / 50 and 98,304 / 50 for VQA.
Steps are exact, whatever the data fraction: least and greatest are one number. Their float16 is bfloat16 here.

VILLA's are UNITER's with three disturbed passes: of text and image in VCR, of text alone in the others. Its models
have UNITER's shape, as VL-BERT's has. How many GPUs its large model had is not known: 2,000 x 10 tokens on four, over
75. VL-BERT trains Q->A and QA->R apart, ours together; its 20 epochs of VCR are steps here, 212,923 questions in
batches of 64, and its warm-up is 1,000 of them.
"""

from __future__ import annotations

from typing import Any


def _villa(*, text: float, image: float = 0.0, kl_weight: float = 1.5) -> dict[str, Any]:
    return {"steps": 3, "text_rate": text, "image_rate": image, "kl_weight": kl_weight}


def _recipe(
    preset: str,
    *,
    lr: float,
    batch_size: int,
    steps: int,
    head: float = 1.0,
    adversarial: dict[str, Any] | None = None,
    candidates: bool = False,
) -> dict[str, Any]:
    """Return a recipe; all of UNITER's and VILLA's warm up over a tenth of their steps and rank by the match logit."""
    return {
        **({"task": {"ranked_by": "match_logit"}} if candidates else {}),
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
            **({"adversarial": adversarial} if adversarial else {}),
        },
    }


RECIPES: dict[str, dict[str, Any]] = {
    "uniter_base_vcr": _recipe("uniter_base", lr=6e-5, batch_size=1024, steps=8000, candidates=True),
    "uniter_base_snli_ve": _recipe("uniter_base", lr=8e-5, batch_size=576, steps=4000),
    "uniter_base_vqa": _recipe("uniter_base", lr=8e-5, batch_size=2048, steps=6000, head=10.0),
    "uniter_large_snli_ve": _recipe("uniter_large", lr=3e-5, batch_size=288, steps=4000),
    "uniter_large_vqa": _recipe("uniter_large", lr=5e-5, batch_size=2048, steps=5000, head=10.0),
    "villa_base_vcr": _recipe(
        "uniter_base",
        lr=6e-5,
        batch_size=1024,
        steps=8000,
        adversarial=_villa(text=1e-2, image=1e-2),
        candidates=True,
    ),
    "villa_base_snli_ve": _recipe("uniter_base", lr=8e-5, batch_size=576, steps=4000, adversarial=_villa(text=1e-3)),
    "villa_base_vqa": _recipe(
        "uniter_base", lr=8e-5, batch_size=2048, steps=6000, head=10.0, adversarial=_villa(text=1e-3)
    ),
    "villa_large_vcr": _recipe(
        "uniter_large",
        lr=6e-5,
        batch_size=1072,
        steps=10_000,
        adversarial=_villa(text=0.1, image=0.1, kl_weight=1.0),
        candidates=True,
    ),
    "vl_bert_base_vcr": {
        "student": {"preset": "vl_bert_base", "dropout": 0.1},
        "optim": {
            "optimizer": "sgd",
            "lr": 7e-5,
            "head_lr_factor": 1.0,
            "batch_size": 64,
            "min_steps": 66_540,
            "max_steps": 66_540,
            "warmup_fraction": 0.015,
            "drops": (14 / 20, 18 / 20),
            "precision": "bfloat16",
        },
    },
}
"""Name -> values of a trial's configuration, nested as in a study's base."""
