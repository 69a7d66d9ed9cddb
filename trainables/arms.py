"""Every arm that a study may list by name: the controls, and methods as changes to the base. Imports no torch.

A selection or a weighting changes that one option, so the base must have the tokens term, or any term. A rival is
complete: its own terms alone, every example alike, at the weights of its source where the features allow it.
"""

from __future__ import annotations

from typing import Any

from ablative.trainables.config import CONTROLS
from ablative.trainables.config import EVERY_EXAMPLE_ALIKE
from ablative.trainables.config import only

SELECTIONS: dict[str, dict[str, Any]] = {
    "visual_tokens": {"distillation.selection.score": "visual"},
    "semantic_tokens": {"distillation.selection.score": "semantic"},
    "mixed_tokens": {"distillation.selection.score": "visual_semantic"},
    "leave_one_out_tokens": {"distillation.selection.score": "leave_one_out"},
    "keyword_tokens": {"distillation.selection.score": "keyword"},
    "content_tokens": {"distillation.selection.score": "content"},
    "single_token": {"distillation.selection.count": 1},
    "sampled_tokens": {"distillation.selection.draw": "sampled"},
}
"""Which words are distilled; `random_tokens` and `all_tokens` are controls."""

WEIGHTINGS: dict[str, dict[str, Any]] = {
    f"{number}_{confidence}": {"distillation.weighting.confidence": confidence}
    for number, confidence in (
        ("w1", "teacher"),
        ("w2", "ratio"),
        ("w3", "sigmoid"),
        ("w4", "exp_ce"),
        ("w5", "clipped_ratio"),
        ("w6", "correct"),
    )
} | {"kdar_weights": {"distillation.weighting.task": "kdar"}}
"""How strongly each example is distilled; KDAR's weighs the task loss."""


def _rival(**weights: float) -> dict[str, Any]:
    return {**only(**weights), **EVERY_EXAMPLE_ALIKE}


METHODS: dict[str, dict[str, Any]] = {
    "naive_image": _rival(image=1.0),
    "naive_text": _rival(text=1.0),
    "clip_td": {
        **only(image=1.0, text=1.0, tokens=1.0),
        "distillation.selection.score": "visual_semantic",
        "distillation.weighting.confidence": "ratio",
        "distillation.weighting.uniform": False,
        "distillation.weighting.task": "none",
    },
    "logit_kd": _rival(logits=0.9),
    "fitnets": _rival(hint=100.0),
    "attention_transfer": _rival(attention=1000.0),
    "rkd": _rival(rkd_distance=25.0, rkd_angle=50.0),
    "similarity_preserving": _rival(similarity=3000.0),
    "crd": _rival(crd=0.8),
    "clip_kd_relational": _rival(clip_relational=1.0),
    "clip_kd_feature": _rival(clip_feature=2000.0),
    "clip_kd_interactive": _rival(clip_interactive=1.0),
    "clip_kd": _rival(clip_feature=2000.0, clip_relational=1.0, clip_interactive=1.0),
    "tinyclip": _rival(affinity=1.0),
    "dime_fm": _rival(dime=1.0),
    "kdar": {**_rival(mixed_labels=1.0), "distillation.weighting.task": "kdar"},
}
"""Whole objectives; the student alone and naive distillation of both sides are controls."""

ARMS: dict[str, dict[str, Any]] = CONTROLS | SELECTIONS | WEIGHTINGS | METHODS
"""Name -> what the arm changes in the base configuration."""
