"""Pretrains `uniter_tiny` on captions of its own scenes and writes the checkpoint that the package ships.

    python -m ablative.trainables.students.pretrain --output trainables/assets/uniter_tiny.safetensors

UNITER's objectives (arXiv 1909.11740) at small scale: masked words given the regions, image-text matching, the class
of regions (also masked ones), and the alignment of words with regions, which asks where the thing stands that a word
names. UNITER aligns by optimal transport because it lacks the boxes that we know. Without alignment the student learns
which things are present and nothing about where (docs/log.md).

Each row of a batch serves one of two purposes: the masked objectives (a true caption with words and regions masked) or
matching (nothing masked, about half of the captions wrong). If wrong captions were never masked, a mask would give the
answer away.

The scenes come from the benchmark's `pretrain` split, whose concepts are about half of those that students may learn.
So the student comes with grounding, but narrower than the teacher's.

Dimensions: B captions, L tokens, R regions, M masked tokens, V words that captions use, C region classes, S student
width.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ablative.trainables.benchmark.relations import RELATIONS
from ablative.trainables.benchmark.spec import preset
from ablative.trainables.benchmark.spec import spec_digest
from ablative.trainables.cache import cache_folder
from ablative.trainables.data.examples import Candidate
from ablative.trainables.data.examples import Text
from ablative.trainables.students.checkpoint import save_encoder
from ablative.trainables.students.kinds.uniter import UNITER_PRESETS
from ablative.trainables.students.pretrain_scenes import CaptionedScenes
from ablative.trainables.students.pretrain_scenes import captioned_scenes
from ablative.trainables.students.pretrain_scenes import region_classes
from ablative.trainables.students.single_stream import SingleStream
from ablative.trainables.students.single_stream import StudentBatch
from ablative.trainables.students.tokens import encode
from ablative.trainables.students.vocabulary import CLS
from ablative.trainables.students.vocabulary import MASK
from ablative.trainables.students.vocabulary import PAD
from ablative.trainables.students.vocabulary import SEP
from ablative.trainables.students.word_vectors import WORD_WIDTH
from ablative.trainables.training.order import batch_indices
from ablative.trainables.training.order import learning_rate
from ablative.trainables.vision.regions import REGION_WIDTH
from ablative.trainables.vision.regions import RegionFeatures
from ablative.trainables.vision.regions import build_regions
from ablative.trainables.vision.regions import open_regions

PRESET = "uniter_tiny"
LONGEST = UNITER_PRESETS[PRESET].longest_text
MASK_RATE = 0.15
SIDE_MASK_RATE = 0.6
"""Words for places are masked more often: they are the hardest to learn, and only a picture tells them."""
MASKED_SHARE = 0.4
"""Share of the rows for the masked objectives; the rest is for matching."""
WRONG_SHARE = 0.5
NUM_CORNERS = 4
"""The first values of a box: x1, y1, x2, y2."""
PLACE_WEIGHT = 5.0
NO_LABEL = -1
DROPOUT = 0.0


class PretrainingHeads(nn.Module):
    """Heads for masked words, region classes, places and matching; thrown away afterwards."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.words = _to_words(width)
        self.regions = _to_words(width)
        self.scale = nn.Parameter(torch.tensor(0.1))
        self.match = nn.Linear(width, 2)
        self.place = nn.Linear(width, NUM_CORNERS)

    def word_logits(self, states_MS: torch.Tensor, vectors_VW: torch.Tensor) -> torch.Tensor:
        """(M, V) scores of the words that captions use, tied to the frozen word vectors."""
        scores: torch.Tensor = self.words(states_MS) @ vectors_VW.T * self.scale
        return scores

    def region_logits(self, states_MS: torch.Tensor, vectors_CW: torch.Tensor) -> torch.Tensor:
        """(M, C) scores of the region classes, tied to the vectors of their names."""
        scores: torch.Tensor = self.regions(states_MS) @ vectors_CW.T * self.scale
        return scores


def _to_words(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, WORD_WIDTH), nn.GELU(), nn.LayerNorm(WORD_WIDTH))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """Inputs of one step and the questions about them."""

    inputs: StudentBatch
    words_BL: torch.Tensor
    """Vocabulary index of a masked word, or NO_LABEL."""
    named_BL: torch.Tensor
    """Region that an unmasked word of a true caption names, or NO_LABEL."""
    classes_BR: torch.Tensor
    """Class of a region; NO_LABEL for the whole image, padding, and masked regions that nothing determines."""
    matching_B: torch.Tensor
    """True where matching is asked."""
    matched_B: torch.Tensor


class Questions:
    """Draws the questions of each step."""

    def __init__(self, scenes: CaptionedScenes, regions: RegionFeatures, vectors: torch.Tensor, seed: int) -> None:
        """`vectors`: the word vectors of the whole vocabulary."""
        self.scenes = scenes
        self.regions = regions
        self.rng = np.random.default_rng(seed)
        self.vocabulary = _vocabulary(scenes, self.rng)
        self.place_of = torch.full((len(vectors),), NO_LABEL)
        self.place_of[self.vocabulary] = torch.arange(len(self.vocabulary))
        sides = encode([Candidate(query=Text(text=" ".join(RELATIONS)))], LONGEST)
        self.sides = torch.from_numpy(np.setdiff1d(sides.ids[0], [CLS, SEP]))
        self.class_of = {name: i for i, name in enumerate(region_classes())}
        names = encode([Candidate(query=Text(text=name)) for name in self.class_of], LONGEST).ids
        self.nouns = torch.tensor([*(int(row[row > MASK][-1]) for row in names), NO_LABEL])  # for NO_LABEL, the last
        self.class_vectors_CW = torch.stack([vectors[row[row > MASK]].mean(dim=0) for row in torch.from_numpy(names)])

    def draw(self, indices: np.ndarray) -> _Asked:
        """One step about these scenes."""
        matching = self.rng.random(len(indices)) >= MASKED_SHARE
        matched = ~matching | (self.rng.random(len(indices)) >= WRONG_SHARE)
        inputs = self._inputs(indices, matched)
        masked_B1 = torch.from_numpy(~matching)[:, None]
        places_BL = self.place_of[inputs.ids_BL]
        rates_BL = torch.where(torch.isin(inputs.ids_BL, self.sides), SIDE_MASK_RATE, MASK_RATE)
        words_BL = self._drawn(rates_BL) & masked_B1 & (places_BL >= 0) & (inputs.references_BL < 0)
        classes_BR = self._classes(indices, inputs)
        rates_BR = torch.full(tuple(classes_BR.shape), MASK_RATE)
        regions_BR = self._drawn(rates_BR) & masked_B1 & (classes_BR >= 0)
        seen_BL = torch.from_numpy(matched)[:, None] & ~words_BL
        return _Asked(
            inputs=dataclasses.replace(
                inputs,
                ids_BL=torch.where(words_BL, MASK, inputs.ids_BL),
                regions_BRF=inputs.regions_BRF.masked_fill(regions_BR.unsqueeze(-1), 0.0),
            ),
            words_BL=torch.where(words_BL, places_BL, NO_LABEL),
            named_BL=torch.where(seen_BL, self._named(inputs, classes_BR), NO_LABEL),
            classes_BR=classes_BR,
            matching_B=torch.from_numpy(matching),
            matched_B=torch.from_numpy(matched).long(),
        )

    def _drawn(self, rates: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(self.rng.random(tuple(rates.shape))) < rates

    def _classes(self, indices: np.ndarray, inputs: StudentBatch) -> torch.Tensor:
        classes_BR = torch.full(tuple(inputs.region_mask_BR.shape), NO_LABEL)
        for row, index in enumerate(indices):
            labels = [self.class_of[name] for name in self.scenes.labels(index)]
            classes_BR[row, 1 : 1 + len(labels)] = torch.tensor(labels)  # row 0 is the whole image
        return classes_BR

    def _named(self, inputs: StudentBatch, classes_BR: torch.Tensor) -> torch.Tensor:
        """(B, L) region of a tag, or of a noun where only one region can be meant."""
        same_BLR = inputs.ids_BL.unsqueeze(-1) == self.nouns[classes_BR].unsqueeze(1)
        by_noun_BL = torch.where(same_BLR.sum(-1) == 1, same_BLR.long().argmax(-1), NO_LABEL)
        return torch.where(inputs.references_BL >= 0, inputs.references_BL, by_noun_BL)

    def _inputs(self, indices: np.ndarray, matched: np.ndarray) -> StudentBatch:
        say = (self.scenes.wrong, self.scenes.right)
        texts = [say[bool(right)](int(i), self.rng) for i, right in zip(indices, matched, strict=True)]
        tokens = encode([Candidate(query=text) for text in texts], LONGEST)
        features, boxes, mask = self.regions.read([self.scenes.split.examples[i].image for i in indices])
        ids = torch.from_numpy(tokens.ids).long()
        references = torch.from_numpy(tokens.references).long()
        return StudentBatch(
            ids_BL=ids,
            segments_BL=torch.from_numpy(tokens.segments).long(),
            references_BL=torch.where(references >= 0, references + 1, references),  # row 0 is the whole image
            text_mask_BL=ids != PAD,
            regions_BRF=torch.from_numpy(features).float(),
            boxes_BR7=torch.from_numpy(boxes),
            region_mask_BR=torch.from_numpy(mask),
        )


def pretrain(
    scenes: CaptionedScenes, regions: RegionFeatures, *, steps: int, batch_size: int, lr: float, seed: int
) -> tuple[SingleStream, dict[str, float]]:
    """Train an encoder for `steps` and return it with its last loss and accuracies."""
    torch.manual_seed(seed)
    encoder = SingleStream(UNITER_PRESETS[PRESET], REGION_WIDTH, DROPOUT)
    heads = PretrainingHeads(encoder.width)
    questions = Questions(scenes, regions, encoder.text_embedding.vectors, seed)
    vectors_VW = encoder.text_embedding.vectors[questions.vocabulary]
    parameters = [*encoder.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=lr, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    recent: deque[dict[str, float]] = deque(maxlen=100)
    started = time.perf_counter()
    for step, indices in enumerate(batch_indices(len(scenes.scenes), batch_size, steps, seed)):
        asked = questions.draw(indices)
        text_BLS, regions_BRS = encoder(asked.inputs)
        words, classes = asked.words_BL >= 0, asked.classes_BR >= 0
        answers = {
            "words": (heads.word_logits(text_BLS[words], vectors_VW), asked.words_BL[words]),
            "regions": (
                heads.region_logits(regions_BRS[classes], questions.class_vectors_CW),
                asked.classes_BR[classes],
            ),
            "matching": (heads.match(text_BLS[asked.matching_B, 0]), asked.matched_B[asked.matching_B]),
        }
        off = _off_place(heads, text_BLS, asked)
        losses = [F.cross_entropy(logits, truth) for logits, truth in answers.values()]
        loss = torch.stack([*losses, PLACE_WEIGHT * off]).sum()
        for group in optimizer.param_groups:
            group["lr"] = lr * learning_rate(step, steps, 0.1)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 2.0)
        optimizer.step()
        right = {name: (logits.argmax(-1) == truth).float().mean().item() for name, (logits, truth) in answers.items()}
        recent.append({"loss": loss.item(), "off_place": off.item(), **right})
        if step % 100 == 99:
            means = ", ".join(f"{name} {value:.3f}" for name, value in _means(recent).items())
            print(f"step {step + 1}/{steps}: {means}, {time.perf_counter() - started:.0f} s", flush=True)
    return encoder, _means(recent)


def _off_place(heads: PretrainingHeads, text_BLS: torch.Tensor, asked: _Asked) -> torch.Tensor:
    """Mean error, in sides of the picture, of the places that words give for the things they name."""
    rows, tokens = (asked.named_BL >= 0).nonzero(as_tuple=True)
    boxes = asked.inputs.boxes_BR7[rows, asked.named_BL[rows, tokens], :NUM_CORNERS]
    return F.l1_loss(heads.place(text_BLS[rows, tokens]), boxes)


def _means(recent: Iterable[dict[str, float]]) -> dict[str, float]:
    rows = list(recent)
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _vocabulary(scenes: CaptionedScenes, rng: np.random.Generator) -> torch.Tensor:
    """Ids of the words that captions use, without people's names, which stand for tags."""
    count = min(2000, len(scenes.scenes))
    texts = [scenes.right(int(i), rng) for i in rng.permutation(len(scenes.scenes))[:count]]
    ids = encode([Candidate(query=text) for text in texts], LONGEST).ids
    return torch.from_numpy(np.unique(ids[ids > MASK])).long()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--scenes", type=int, default=6000)
    parser.add_argument("--steps", type=int, default=9000)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    cache = cache_folder()
    digest = spec_digest(preset("mini"))
    scenes = captioned_scenes(arguments.scenes, cache / f"pretrain-{digest[:12]}", _print)
    build_regions(scenes.split, cache, _print)
    regions = open_regions(cache, scenes.split.image_folder)
    recipe = {name: getattr(arguments, name) for name in ("scenes", "steps", "batch_size", "lr", "seed")}
    encoder, final = pretrain(
        scenes,
        regions,
        steps=arguments.steps,
        batch_size=arguments.batch_size,
        lr=arguments.lr,
        seed=arguments.seed,
    )
    metadata = {"preset": PRESET, "benchmark": digest, "recipe": json.dumps(recipe), "final": json.dumps(final)}
    save_encoder(encoder, arguments.output, metadata)
    print(f"{arguments.output}: {arguments.output.stat().st_size / 1e6:.2f} MB, {json.dumps(final)}")


def _print(what: str, done: int, total: int) -> None:
    print(f"{what}: {done}/{total}", flush=True)


if __name__ == "__main__":
    main()
