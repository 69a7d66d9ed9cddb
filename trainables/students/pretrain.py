"""Pretrains `uniter_tiny` on captions of scenes of its own and writes the checkpoint that the package ships.

    python -m trainables.students.pretrain --output trainables/assets/uniter_tiny.safetensors

UNITER's objectives (arXiv 1909.11740) at small scale: masked words given the regions, and image-text matching. The
scenes come from the benchmark's `pretrain` split, whose concepts are about half of those that students may learn: the
student comes with grounding, but narrower than the teacher's.

Dimensions: B captions, L tokens, M masked tokens, V words that captions use, S student width.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections import deque
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from trainables.cache import cache_folder
from trainables.data.examples import Candidate
from trainables.data.examples import Text
from trainables.data.mini.spec import preset
from trainables.data.mini.spec import spec_digest
from trainables.students.checkpoint import save_encoder
from trainables.students.presets import PRESETS
from trainables.students.pretrain_scenes import CaptionedScenes
from trainables.students.pretrain_scenes import captioned_scenes
from trainables.students.single_stream import SingleStream
from trainables.students.single_stream import StudentBatch
from trainables.students.tokens import MASK
from trainables.students.tokens import PAD
from trainables.students.tokens import SEP
from trainables.students.tokens import encode
from trainables.students.word_vectors import WORD_WIDTH
from trainables.training.order import batch_indices
from trainables.training.order import learning_rate
from trainables.vision.regions import REGION_WIDTH
from trainables.vision.regions import RegionFeatures
from trainables.vision.regions import build_regions
from trainables.vision.regions import open_regions

PRESET = "uniter_tiny"
MASK_RATE = 0.15
WRONG_SHARE = 0.5
DROPOUT = 0.1


class PretrainingHeads(nn.Module):
    """Masked-word and matching heads; thrown away afterwards."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.words = nn.Sequential(nn.Linear(width, WORD_WIDTH), nn.GELU(), nn.LayerNorm(WORD_WIDTH))
        self.scale = nn.Parameter(torch.tensor(0.1))
        self.match = nn.Linear(width, 2)

    def word_logits(self, states_MS: torch.Tensor, vectors_VW: torch.Tensor) -> torch.Tensor:
        """(M, V) scores of the words that captions use, tied to the frozen word vectors."""
        scores: torch.Tensor = self.words(states_MS) @ vectors_VW.T * self.scale
        return scores


def pretrain(
    scenes: CaptionedScenes, regions: RegionFeatures, *, steps: int, batch_size: int, lr: float, seed: int
) -> tuple[SingleStream, dict[str, float]]:
    """Train an encoder for `steps` and return it with the course of its losses and accuracies."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    encoder = SingleStream(PRESETS[PRESET], REGION_WIDTH, DROPOUT)
    heads = PretrainingHeads(encoder.width)
    vocabulary = _vocabulary(scenes, rng)
    place_of = torch.full((encoder.text_embedding.vectors.shape[0],), -1)
    place_of[vocabulary] = torch.arange(len(vocabulary))
    vectors_VW = encoder.text_embedding.vectors[vocabulary]
    parameters = [*encoder.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=lr, betas=(0.9, 0.98), weight_decay=0.01)
    recent: deque[tuple[float, ...]] = deque(maxlen=100)
    started = time.perf_counter()
    for step, indices in enumerate(batch_indices(len(scenes.scenes), batch_size, steps, seed)):
        matched, inputs = _inputs(scenes, regions, indices, rng)
        masked, labels = _mask(inputs, torch.from_numpy(matched), rng, place_of)
        text_BLS, _ = encoder(masked)
        match_logits = heads.match(text_BLS[:, 0])
        chosen = labels >= 0
        word_logits = heads.word_logits(text_BLS[chosen], vectors_VW)
        truth = torch.from_numpy(matched).long()
        loss = F.cross_entropy(word_logits, labels[chosen]) + F.cross_entropy(match_logits, truth)
        for group in optimizer.param_groups:
            group["lr"] = lr * learning_rate(step, steps, 0.1)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 2.0)
        optimizer.step()
        recent.append(
            (
                loss.item(),
                (word_logits.argmax(-1) == labels[chosen]).float().mean().item(),
                (match_logits.argmax(-1) == truth).float().mean().item(),
            )
        )
        if step % 100 == 99:
            means = np.mean(recent, axis=0)
            print(
                f"step {step + 1}/{steps}: loss {means[0]:.3f}, masked words {means[1]:.3f}, matching {means[2]:.3f}, "
                f"{time.perf_counter() - started:.0f} s",
                flush=True,
            )
    return encoder, dict(zip(("loss", "masked_words", "matching"), np.mean(recent, axis=0).tolist(), strict=True))


def _vocabulary(scenes: CaptionedScenes, rng: np.random.Generator) -> torch.Tensor:
    count = min(500, len(scenes.scenes))
    texts = [scenes.right(int(i), rng) for i in rng.permutation(len(scenes.scenes))[:count]]
    ids = encode([Candidate(query=Text(text=text)) for text in texts], PRESETS[PRESET].max_tokens).ids
    return torch.from_numpy(np.unique(ids[ids > MASK])).long()


def _inputs(
    scenes: CaptionedScenes, regions: RegionFeatures, indices: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, StudentBatch]:
    """Captions of the scenes, about half of them wrong; matched (B,) says which are right."""
    matched = rng.random(len(indices)) >= WRONG_SHARE
    texts = [
        scenes.right(i, rng) if right else scenes.wrong(i, rng) for i, right in zip(indices, matched, strict=True)
    ]
    tokens = encode([Candidate(query=Text(text=text)) for text in texts], PRESETS[PRESET].max_tokens)
    features, boxes, mask = regions.read([scenes.split.examples[i].image for i in indices])
    ids = torch.from_numpy(tokens.ids).long()
    batch = StudentBatch(
        ids_BL=ids,
        segments_BL=torch.from_numpy(tokens.segments).long(),
        references_BL=torch.from_numpy(tokens.references).long(),
        text_mask_BL=ids != PAD,
        regions_BRF=torch.from_numpy(features).float(),
        boxes_BR7=torch.from_numpy(boxes),
        region_mask_BR=torch.from_numpy(mask),
    )
    return matched, batch


def _mask(
    batch: StudentBatch, matched_B: torch.Tensor, rng: np.random.Generator, place_of: torch.Tensor
) -> tuple[StudentBatch, torch.Tensor]:
    """Mask words of right captions only; labels (B, L) are places in the vocabulary, -1 where nothing is asked."""
    drawn = torch.from_numpy(rng.random(tuple(batch.ids_BL.shape)) < MASK_RATE)
    places = place_of[batch.ids_BL]
    asked = drawn & (places >= 0) & (batch.ids_BL != SEP) & matched_B[:, None]
    ids = torch.where(asked, torch.full_like(batch.ids_BL, MASK), batch.ids_BL)
    return dataclasses.replace(batch, ids_BL=ids), torch.where(asked, places, torch.full_like(places, -1))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--scenes", type=int, default=3000)
    parser.add_argument("--steps", type=int, default=4000)
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
