"""AF-T fine-tunes the teacher's projection heads by InfoNCE on the matched pairs of the low-shot subset alone.

A dual encoder ends in a linear head on each side. Multiply a unit embedding by W and scale it to unit length again:
the result is what the teacher would give with the head W P in place of P. So both heads can be fine-tuned on cached
features, and the frozen towers need not run again. Each head is the identity plus a change, which weight decay draws
to 0. `tower_adaptation` fine-tunes the towers themselves, beforehand and once for a study.

Dimensions: B pairs, K texts (their own, then the wrong ones), D joint width.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from collections.abc import Set
from dataclasses import dataclass
from dataclasses import replace

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
    """Return heads fitted to the pairs of `split`, the training subset; the identity if it has fewer than two."""
    pairs = split.task.pairs(split)
    eye = torch.eye(features.width)
    image, text = (torch.zeros_like(eye, requires_grad=True) for _ in range(2))
    optimizer = torch.optim.AdamW([image, text], lr=config.rate, weight_decay=WEIGHT_DECAY)
    true_of = texts_true_of(pairs)
    if len(pairs) > 1:
        for rows in batch_indices(len(pairs), min(BATCH, len(pairs)), config.steps, seed):
            batch = PairBatch.read([pairs[i] for i in rows], features, true_of)
            loss = batch.through(eye + image, eye + text).contrast(features.logit_scale)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return TeacherHeads(image=(eye + image).detach().numpy(), text=(eye + text).detach().numpy())


def texts_of(pairs: Sequence[Pair]) -> list[str]:
    """Return the texts of a batch: each pair's own, then the wrong ones, each once."""
    own = [pair.text for pair in pairs]
    return own + list(dict.fromkeys(text for pair in pairs for text in pair.wrong if text not in set(own)))


def texts_true_of(pairs: Iterable[Pair]) -> dict[str, set[str]]:
    """Return picture -> all texts that `pairs` call true for it."""
    true_of: dict[str, set[str]] = {}
    for pair in pairs:
        true_of.setdefault(pair.image, set()).add(pair.text)
    return true_of


@dataclass(frozen=True, slots=True, kw_only=True)
class PairBatch:
    """Pairs, and the negatives that each picture and each text is told apart from.

    Every text of the batch is a negative for every picture; wrong texts of other pictures count too. Exceptions are
    texts that a label of the whole subset calls true for the picture. A picture or text that is the same to the
    teacher counts as the same here.
    """

    images_BD: Tensor
    texts_KD: Tensor
    """Text i belongs to picture i; the K - B texts behind them belong to no picture of the batch."""
    true_BK: Tensor
    """Bool: text k is true for picture i."""

    @classmethod
    def read(cls, pairs: Sequence[Pair], features: TeacherFeatures, true_of: Mapping[str, Set[str]]) -> PairBatch:
        """Return the batch of `pairs` in cached features; `true_of`: from `texts_true_of`, for the whole subset."""
        texts = texts_of(pairs)
        images_BD = torch.from_numpy(features.image([pair.image for pair in pairs]).astype(np.float32))
        return cls.made(pairs, images_BD, texts, torch.from_numpy(features.text(texts).astype(np.float32)), true_of)

    @classmethod
    def made(
        cls,
        pairs: Sequence[Pair],
        images_BD: Tensor,
        texts: Sequence[str],
        texts_KD: Tensor,
        true_of: Mapping[str, Set[str]],
    ) -> PairBatch:
        """Return the batch of `pairs` and of their `texts_of`, in the embeddings given."""
        called_BK = torch.tensor([[text in true_of[pair.image] for text in texts] for pair in pairs])
        one_BB, one_KK = (
            alike(rows.detach().cpu()) | torch.eye(len(rows), dtype=torch.bool) for rows in (images_BD, texts_KD)
        )
        true_BK = one_BB.float() @ called_BK.float() @ one_KK.float() > 0
        return cls(images_BD=images_BD, texts_KD=texts_KD, true_BK=true_BK.to(images_BD.device))

    def through(self, image_head: Tensor, text_head: Tensor) -> PairBatch:
        """Return the batch behind other heads."""
        return replace(self, images_BD=self.images_BD @ image_head.T, texts_KD=self.texts_KD @ text_head.T)

    def contrast(self, scale: float) -> Tensor:
        """1/2 [CE over texts, the wrong ones among them + CE over images], mean over the pairs."""
        B, K = self.true_BK.shape
        hidden_BK = self.true_BK & ~torch.eye(B, K, dtype=torch.bool, device=self.true_BK.device)
        images_BD, texts_KD = self.images_BD, self.texts_KD
        to_texts_B = info_nce(images_BD, texts_KD, scale, hidden_BK)
        to_images_B = info_nce(texts_KD[:B], images_BD, scale, hidden_BK[:, :B].T)
        return (to_texts_B + to_images_B).mean() / 2
