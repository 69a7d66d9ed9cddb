"""How much the bundled teacher knows: labels of held-out emoji, and concepts present in scenes."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ablative.trainables.benchmark.concepts import concepts
from ablative.trainables.benchmark.concepts import with_article
from ablative.trainables.benchmark.draw import render
from ablative.trainables.benchmark.scene import scene
from ablative.trainables.benchmark.spec import MiniSpec
from ablative.trainables.teachers.alignment_pictures import draw
from ablative.trainables.teachers.alignment_pictures import single_pictures
from ablative.trainables.teachers.alignment_pictures import subjects
from ablative.trainables.teachers.dual_encoder import DualEncoder
from ablative.trainables.teachers.recipe import AlignmentRecipe

PROMPT = "there is {}"
_FRESH_SEED = 314_159
"""Root seed of the scenes drawn here; no file of the benchmark uses it."""


def held_out_retrieval(teacher: DualEncoder, recipe: AlignmentRecipe) -> dict[str, dict[str, float]]:
    """Return for each style R@1, R@5 and chance: picture to label, among the held-out emoji."""
    pictures = single_pictures(recipe, held_out=True)
    result = {}
    for style in recipe.styles:
        chosen = [picture for picture in pictures if picture.style == style]
        labels = [PROMPT.format(with_article(subjects()[picture.shown[0]].labels[0])) for picture in chosen]
        images_ND = teacher.encode_images([draw(picture) for picture in chosen])
        result[style] = recall(images_ND @ teacher.encode_texts(labels).T)
    return result


def recall(similarity_NN: Tensor) -> dict[str, float]:
    """Return R@1, R@5, chance of R@1 and N for a square matrix whose diagonal is right; ties count against it."""
    own_N1 = similarity_NN.diagonal()[:, None]
    rank_N = (similarity_NN >= own_N1).sum(1)
    return {
        "recall_at_1": float((rank_N <= 1).float().mean()),
        "recall_at_5": float((rank_N <= 5).float().mean()),
        "chance": 1 / len(similarity_NN),
        "candidates": float(len(similarity_NN)),
    }


def presence_auc(teacher: DualEncoder, spec: MiniSpec, split: str, num_scenes: int) -> dict[str, float]:
    """Return AUCs of cos(v, t("there is a X")), concepts present against absent, in fresh scenes of a split's kind.

    Concepts `seen` by the student, and `held_out` ones whose sprite the teacher saw (`known`) or did not (`unknown`).
    """
    fresh = spec.model_copy(update={"seed": _FRESH_SEED})
    scenes = [scene(fresh, split, index) for index in range(num_scenes)]
    scenes = [one for one in scenes if one.kind == "things"]
    known = concepts()
    images_BD = teacher.encode_images([render(one) for one in scenes])
    texts_CD = teacher.encode_texts([PROMPT.format(with_article(concept.name)) for concept in known])
    scores_BC = (images_BD @ texts_CD.T).numpy()
    present_BC = np.array([[any(t.concept == concept for t in one.things) for concept in known] for one in scenes])
    groups = {
        "seen": [not concept.held_out for concept in known],
        "known": [concept.held_out and concept.teacher_sees for concept in known],
        "unknown": [not concept.teacher_sees for concept in known],
    }
    result = {}
    for name, chosen in groups.items():
        scores, present = scores_BC[:, chosen], present_BC[:, chosen]
        if present.any():
            result[name] = area_under_curve(scores[present], scores[~present])
    return result


def area_under_curve(positive: np.ndarray, negative: np.ndarray) -> float:
    """Return the share of (positive, negative) pairs in the right order, ties half (Mann-Whitney)."""
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([positive, negative]))[: len(positive)]
    return float((ranks.sum() - len(positive) * (len(positive) + 1) / 2) / (len(positive) * len(negative)))
