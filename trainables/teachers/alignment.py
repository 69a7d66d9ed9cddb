"""Aligns the two frozen towers of the bundled teacher: InfoNCE on pictures and labels trains only the projections.

Dimensions: B batch, F image trunk width, W text tower width, D joint width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.functional import normalize

from ablative.progress import Progress
from ablative.trainables.teachers.recipe import EMBED_DIM
from ablative.trainables.teachers.recipe import AlignmentRecipe

MAX_LOGIT_SCALE = 100.0
_FIRST_LOGIT_SCALE = 1 / 0.07


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentData:
    """Frozen features to align, and the subjects that each picture shows."""

    pooled: Tensor
    """(pictures, F) pooled image trunk."""
    shown: Sequence[Sequence[int]]
    """Subjects in each picture."""
    sentences: Sequence[Tensor]
    """For each subject (its sentences, W), pooled text tower; empty for a subject that training leaves out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Projections:
    """The weights that are learned."""

    image: Tensor
    """(D, F)."""
    text: Tensor
    """(D, W)."""
    log_logit_scale: Tensor
    """Scalar: natural logarithm of the logit scale."""


def align(data: AlignmentData, recipe: AlignmentRecipe, progress: Progress) -> Projections:
    """Train the projections; the same data and recipe give the same result on the same machine.

    A batch pairs each picture with one sentence about one of the subjects it shows. A sentence that is also true for
    another picture of the batch is not a negative there.
    """
    rng = np.random.default_rng([recipe.seed, 2])
    image, text, log_scale = _initial(data, recipe.seed)
    num_steps = recipe.epochs * max(1, len(data.shown) // recipe.batch_size)
    optimizer = torch.optim.AdamW(
        [{"params": [image, text], "weight_decay": recipe.weight_decay}, {"params": [log_scale], "weight_decay": 0.0}],
        lr=recipe.lr,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.lr, total_steps=num_steps, pct_start=recipe.warmup_fraction
    )
    present = _presence(data)
    for step in range(num_steps):
        if step % 50 == 0:
            progress("teacher alignment", step, num_steps)
        loss = _batch_loss(data, present, rng, recipe.batch_size, (image, text, log_scale))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    progress("teacher alignment", num_steps, num_steps)
    return Projections(image=image.detach(), text=text.detach(), log_logit_scale=log_scale.detach())


def info_nce(images_BD: Tensor, texts_BD: Tensor, scale: Tensor, also_true_BB: Tensor) -> Tensor:
    """Return the symmetric contrastive loss of matched unit vectors, 1/2 (images to texts + texts to images).

    `also_true_BB[i, j]`: text j is true for image i. Off the diagonal, both softmaxes leave such a pair out.
    """
    logits_BB = scale * images_BD @ texts_BD.T
    own = torch.eye(len(logits_BB), dtype=torch.bool)
    logits_BB = logits_BB.masked_fill(also_true_BB & ~own, -torch.inf)
    wanted = torch.arange(len(logits_BB))
    return (cross_entropy(logits_BB, wanted) + cross_entropy(logits_BB.T, wanted)) / 2


def _batch_loss(
    data: AlignmentData,
    present: Tensor,
    rng: np.random.Generator,
    batch_size: int,
    learned: tuple[Tensor, Tensor, Tensor],
) -> Tensor:
    image, text, log_scale = learned
    pictures = rng.choice(len(data.shown), min(batch_size, len(data.shown)), replace=False)
    subjects = [int(rng.choice(data.shown[picture])) for picture in pictures]
    texts_BW = torch.stack([_any_row(data.sentences[subject], rng) for subject in subjects])
    images_BD = normalize(data.pooled[pictures] @ image.T, dim=-1)
    texts_BD = normalize(texts_BW @ text.T, dim=-1)
    scale = log_scale.exp().clamp(max=MAX_LOGIT_SCALE)
    return info_nce(images_BD, texts_BD, scale, present[pictures][:, subjects])


def _any_row(rows: Tensor, rng: np.random.Generator) -> Tensor:
    return rows[int(rng.integers(len(rows)))]


def _presence(data: AlignmentData) -> Tensor:
    present = torch.zeros(len(data.shown), len(data.sentences), dtype=torch.bool)
    for picture, subjects in enumerate(data.shown):
        present[picture, list(subjects)] = True
    return present


def _initial(data: AlignmentData, seed: int) -> tuple[nn.Parameter, nn.Parameter, nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    text_width = next(rows.shape[1] for rows in data.sentences if len(rows))
    widths = (data.pooled.shape[1], text_width)
    image, text = (torch.randn(EMBED_DIM, width, generator=generator) * width**-0.5 for width in widths)
    scale = torch.tensor(_FIRST_LOGIT_SCALE).log()
    return nn.Parameter(image), nn.Parameter(text), nn.Parameter(scale)
