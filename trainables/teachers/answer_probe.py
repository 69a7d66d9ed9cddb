"""A linear probe with one sigmoid a class, fitted in blocks on a device: VQA has thousands of answers.

It minimises, over weights W and biases b,

    sum over examples and classes of BCE(x.w_k + b_k, y_k)  +  strength / 2 ||W||^2

by L-BFGS from W = 0 and the log-odds of each class, without randomness. The student minimises the same loss, so both
give probabilities on one scale. The strength is the precision of a prior on W and does not depend on the number of
examples. Memory never holds the features or the probabilities of all examples at once.

Dimensions: N examples, B of a block, I images, J texts, K classes, D joint width, F = 4 D features.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ablative.trainables.side_by_side import side_by_side

BLOCK = 4096
"""Examples whose features and scores of all classes are in memory together."""
FOLDS = 5
STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)
ITERATIONS = 40
CHOOSING_ITERATIONS = 20
CHOSEN_ON = 20_000
"""About how many examples choose the strength, spread evenly over all."""


def together(v: Tensor, t: Tensor) -> Tensor:
    """Return every probe's input (..., 4 D) from unit vectors of pictures and texts (..., D).

    It is [v, t, v * t, |v - t|]. Products of unit vectors are small, so they are scaled up.
    """
    return torch.cat([v, t, v * t * v.shape[-1] ** 0.5, (v - t).abs()], dim=-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeData:
    """The data that a probe is fitted to and judges, on one device."""

    images_ID: Tensor
    texts_JD: Tensor
    image_N: Tensor
    """Row of each example's image."""
    text_N: Tensor
    starts_N: Tensor
    """(N + 1,) position where each example's targets begin in the two below."""
    classes_T: Tensor
    scores_T: Tensor
    num_classes: int

    @classmethod
    def of(
        cls,
        images: tuple[np.ndarray, np.ndarray],
        texts: tuple[np.ndarray, np.ndarray],
        targets: Sequence[Sequence[tuple[int, float]]],
        num_classes: int,
        device: torch.device,
    ) -> ProbeData:
        """Return the data; `images` and `texts`: distinct unit rows, and the row of each example."""
        tensors = [torch.from_numpy(np.asarray(values)).to(device) for values in (*images, *texts)]
        flat = [target for of_example in targets for target in of_example]
        starts = np.cumsum([0, *map(len, targets)])
        return cls(
            images_ID=tensors[0],
            image_N=tensors[1].long(),
            texts_JD=tensors[2],
            text_N=tensors[3].long(),
            starts_N=torch.from_numpy(starts).to(device),
            classes_T=torch.tensor([k for k, _ in flat], dtype=torch.long, device=device),
            scores_T=torch.tensor([score for _, score in flat], dtype=torch.float32, device=device),
            num_classes=num_classes,
        )

    def features(self, rows_B: Tensor) -> Tensor:
        """Return (B, F)."""
        return together(self.images_ID[self.image_N[rows_B]].float(), self.texts_JD[self.text_N[rows_B]].float())

    def targets(self, rows_B: Tensor) -> Tensor:
        """Return (B, K) the soft targets."""
        counts_B = self.starts_N[rows_B + 1] - self.starts_N[rows_B]
        rows = torch.arange(len(rows_B), device=rows_B.device).repeat_interleave(counts_B)
        first_B = self.starts_N[rows_B] - counts_B.cumsum(0) + counts_B
        places = first_B.repeat_interleave(counts_B) + torch.arange(len(rows), device=rows_B.device)
        dense_BK = torch.zeros(len(rows_B), self.num_classes, device=rows_B.device)
        dense_BK[rows, self.classes_T[places]] = self.scores_T[places]
        return dense_BK


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One fitted probe."""

    weights_FK: Tensor
    bias_K: Tensor

    def log_odds(self, features_BF: Tensor) -> Tensor:
        """Return (B, K)."""
        return features_BF @ self.weights_FK + self.bias_K


@torch.no_grad()
def cross_fitted(data: ProbeData, folds_N: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (rows, (B, K) probabilities) block by block, each example judged by a probe that has not seen its fold.

    The strength for each fold is chosen on the following fold, by probes that saw neither of the two. If there is only
    one fold, every class gets 1 / K.
    """
    everyone_N = torch.arange(len(folds_N), device=folds_N.device)
    filled = [fold for fold in range(FOLDS) if (folds_N == fold).any()]
    if len(filled) == 1:
        for rows_B in everyone_N.split(BLOCK):
            yield rows_B, torch.full((len(rows_B), data.num_classes), 1 / data.num_classes, device=rows_B.device)
        return
    fit = partial(_probe_of_others, data, folds_N)
    probes = map(fit, filled) if folds_N.is_cuda else side_by_side(fit, filled)  # a GPU is busy with one
    for fold, probe in zip(filled, probes, strict=True):
        for rows_B in everyone_N[folds_N == fold].split(BLOCK):
            yield rows_B, probe.log_odds(data.features(rows_B)).sigmoid()


def _probe_of_others(data: ProbeData, folds_N: Tensor, fold: int) -> Probe:
    """Return the probe that has not seen a fold."""
    everyone_N = torch.arange(len(folds_N), device=folds_N.device)
    choosing_N = everyone_N[:: math.ceil(len(everyone_N) / CHOSEN_ON)]
    of_N, following = folds_N[choosing_N], (fold + 1) % FOLDS
    judged_N, seen_N = choosing_N[of_N == following], choosing_N[(of_N != following) & (of_N != fold)]
    return fitted(data, everyone_N[folds_N != fold], best_strength(data, seen_N, judged_N), ITERATIONS)


def best_strength(data: ProbeData, seen_M: Tensor, judged_M: Tensor) -> float:
    """Return the strength with which a probe of `seen_M` loses least on `judged_M`.

    The middle one if either is empty.
    """
    if not len(seen_M) or not len(judged_M):
        return STRENGTHS[len(STRENGTHS) // 2]
    losses = {
        strength: loss_of(data, fitted(data, seen_M, strength, CHOOSING_ITERATIONS), judged_M)
        for strength in STRENGTHS
    }
    return min(losses, key=lambda strength: losses[strength])


@torch.no_grad()
def loss_of(data: ProbeData, probe: Probe, rows_M: Tensor) -> float:
    """Return the mean over examples of the binary cross-entropies, summed over classes, in nats."""
    total = 0.0
    for rows_B in rows_M.split(BLOCK):
        odds_BK = probe.log_odds(data.features(rows_B))
        total += float((F.softplus(odds_BK) - data.targets(rows_B) * odds_BK).sum())
    return total / len(rows_M)


@torch.no_grad()
def fitted(data: ProbeData, rows_M: Tensor, strength: float, iterations: int) -> Probe:
    """Return the probe of these examples."""
    hits_K = torch.zeros(data.num_classes, device=rows_M.device)
    for rows_B in rows_M.split(BLOCK):
        hits_K += data.targets(rows_B).sum(0)
    bias_K = ((hits_K + 0.5) / (len(rows_M) + 1)).logit()
    weights_FK = torch.zeros(4 * data.images_ID.shape[1], data.num_classes, device=rows_M.device)
    solver = torch.optim.LBFGS(
        [weights_FK.requires_grad_(), bias_K.requires_grad_()],
        max_iter=iterations,
        history_size=5,
        line_search_fn="strong_wolfe",
    )
    solver.step(lambda: _loss_with_slopes(data, rows_M, strength, weights_FK, bias_K))
    return Probe(weights_FK=weights_FK.detach(), bias_K=bias_K.detach())


@torch.no_grad()
def _loss_with_slopes(data: ProbeData, rows_M: Tensor, strength: float, weights_FK: Tensor, bias_K: Tensor) -> Tensor:
    """The objective by the number of examples; its gradients are written by hand, so that a block leaves nothing."""
    weights_FK.grad, bias_K.grad = strength * weights_FK.detach(), torch.zeros_like(bias_K)
    loss = strength / 2 * weights_FK.square().sum()
    for rows_B in rows_M.split(BLOCK):
        features_BF, targets_BK = data.features(rows_B), data.targets(rows_B)
        odds_BK = features_BF @ weights_FK + bias_K
        loss += (F.softplus(odds_BK) - targets_BK * odds_BK).sum()
        errors_BK = odds_BK.sigmoid_().sub_(targets_BK)
        weights_FK.grad.addmm_(features_BF.T, errors_BK)
        bias_K.grad.add_(errors_BK.sum(0))
    for slope in (weights_FK.grad, bias_K.grad):
        slope.div_(len(rows_M))
    return loss / len(rows_M)
