"""Every arm that a study may list by name: the controls, and methods as changes to the base. Imports no torch.

A selection, a weighting or a space changes only that option, so the base must have the tokens term, or any term. A
rival is complete: only its own terms, every example alike, at the weights of its source if the features allow it.
"""

from __future__ import annotations

from typing import Any

from ablative.trainables.config import CONTROLS
from ablative.trainables.config import EVERY_EXAMPLE_ALIKE
from ablative.trainables.config import DistillationConfig
from ablative.trainables.config import only
from ablative.trainables.parts.catalogue import Catalogue
from ablative.trainables.parts.term import Term

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


SPACES: dict[str, dict[str, Any]] = {
    "shared_projection": {"distillation.projection": "shared"},
    "all_candidates": {"distillation.candidates": "all"},
}
"""How the student's states are mapped to the teacher's space, and of which sequences (VCR)."""


def _rival(*terms: str) -> dict[str, Any]:
    weights = {name: DistillationConfig.parts[name].weight for name in terms}
    return {**only(**weights), **EVERY_EXAMPLE_ALIKE}


_SELECTED_AND_WEIGHTED: dict[str, Any] = {
    "distillation.selection.score": "visual_semantic",
    "distillation.weighting.confidence": "ratio",
    "distillation.weighting.uniform": False,
    "distillation.weighting.task": "none",
}
METHODS: dict[str, dict[str, Any]] = {
    "naive_image": _rival("image"),
    "naive_text": _rival("text"),
    "clip_td": {**only(image=1.0, text=1.0, tokens=1.0), **_SELECTED_AND_WEIGHTED},
    "clip_td_regions": {**only(image=1.0, text=1.0, tokens=1.0, regions=1.0), **_SELECTED_AND_WEIGHTED},
    "logit_kd": _rival("logits"),
    "fitnets": _rival("hint"),
    "attention_transfer": _rival("attention"),
    "rkd": _rival("rkd_distance", "rkd_angle"),
    "similarity_preserving": _rival("similarity"),
    "crd": _rival("crd"),
    "clip_kd_relational": _rival("clip_relational"),
    "clip_kd_feature": _rival("clip_feature"),
    "clip_kd_interactive": _rival("clip_interactive"),
    "clip_kd": _rival("clip_feature", "clip_relational", "clip_interactive"),
    "tinyclip": _rival("affinity"),
    "dime_fm": _rival("dime"),
    "kdar": {**_rival("mixed_labels"), "distillation.weighting.task": "kdar"},
}
"""Whole objectives; the student alone and naive distillation of both sides are controls."""

ARMS: dict[str, dict[str, Any]] = CONTROLS | SELECTIONS | WEIGHTINGS | SPACES | METHODS
"""Name -> the arm's changes to the base configuration."""


def arms_of(catalogue: Catalogue) -> dict[str, dict[str, Any]]:
    """Return every arm, given all known terms: an arm with only its own terms also switches off the user's."""
    own_off = {
        f"distillation.terms.{name}": 0.0 for name in catalogue.of(Term) if name not in DistillationConfig.parts
    }
    every_term = only().keys()
    return {name: changes | own_off if every_term <= changes.keys() else changes for name, changes in ARMS.items()}
