"""AF-T: the teacher's projection heads, fine-tuned by InfoNCE on the matched pairs of the low-shot subset alone.

A dual encoder ends in a linear head on each side. A unit embedding multiplied by W and scaled to unit length again is
what the teacher would give with the head W P in place of P: so both heads can be fine-tuned on cached features, and
the frozen towers are not run again. Heads are the identity plus a change that weight decay draws to 0. The towers
themselves are not adapted: with few pairs there is nothing to adapt them with (docs/method.md, "Adaptation").

Dimensions: B pairs, H wrong texts, D joint width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ablative.trainables.config import AdaptationConfig
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.pairs import Pair
from ablative.trainables.distillation.contrast import alike
from ablative.trainables.distillation.contrast import info_nce
from ablative.trainables.teachers.feature_cache import TeacherFeatures
from ablative.trainables.teachers.feature_cache import TeacherHeads
from ablative.trainables.training.order import batch_indices

BATCH = 128
WEIGHT_DECAY = 0.1


def adapted_heads(split: TaskSplit, features: TeacherFeatures, config: AdaptationConfig, *, seed: int) -> TeacherHeads:
    """Return heads fitted to the pairs of `split`, the training subset; the identity where it has fewer than two."""
    pairs = split.task.pairs(split)
    eye = torch.eye(features.width)
    image, text = (torch.zeros_like(eye, requires_grad=True) for _ in range(2))
    optimizer = torch.optim.AdamW([image, text], lr=config.rate, weight_decay=WEIGHT_DECAY)
    if len(pairs) > 1:
        for rows in batch_indices(len(pairs), min(BATCH, len(pairs)), config.steps, seed):
            batch = _PairBatch.read([pairs[i] for i in rows], features)
            loss = batch.contrast(eye + image, eye + text, features.logit_scale)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return TeacherHeads(image=(eye + image).detach().numpy(), text=(eye + text).detach().numpy())


@dataclass(frozen=True, slots=True, kw_only=True)
class _PairBatch:
    images_BD: Tensor
    texts_BD: Tensor
    wrong_HD: Tensor

    @classmethod
    def read(cls, pairs: list[Pair], features: TeacherFeatures) -> _PairBatch:
        wrong = list(dict.fromkeys(text for pair in pairs for text in pair.wrong))
        texts = features.text([pair.text for pair in pairs] + wrong).astype(np.float32)
        return cls(
            images_BD=torch.from_numpy(features.image([pair.image for pair in pairs]).astype(np.float32)),
            texts_BD=torch.from_numpy(texts[: len(pairs)]),
            wrong_HD=torch.from_numpy(texts[len(pairs) :]),
        )

    def contrast(self, image_head: Tensor, text_head: Tensor, scale: float) -> Tensor:
        """1/2 [CE over texts, the wrong ones among them + CE over images], mean over the pairs."""
        hidden_BB = alike(self.images_BD) | alike(self.texts_BD)
        images_BD = self.images_BD @ image_head.T
        texts_BD, wrong_HD = self.texts_BD @ text_head.T, self.wrong_HD @ text_head.T
        to_texts_B = info_nce(images_BD, torch.cat([texts_BD, wrong_HD]), scale, hidden_BB)
        to_images_B = info_nce(texts_BD, images_BD, scale, hidden_BB)
        return (to_texts_B + to_images_B).mean() / 2
