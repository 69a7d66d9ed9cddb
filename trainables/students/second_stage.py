"""Second-stage pretraining: a student learns its task's own texts and pictures before it is fine-tuned (UNITER).

UNITER (arXiv 1909.11740) does so for VCR: 45,000 steps at 3e-5 of masked words, masked region features, and the
classes of masked regions, 2:1:1. Files of region features have no classes, so regions get their share here. A further
objective asks whether a text belongs to a picture. Each step trains one objective, drawn by the weights.

Only matched pairs are read, and of VCR's candidates the right one. Steps draw from the seed and their number alone, so
a run that was killed continues exactly.

Dimensions: B sequences, L tokens, R regions, M masked, F region features, S student width.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
from typing import Any
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch import nn
from torch.nn import functional as F

from ablative.progress import Progress
from ablative.trainables.benchmark.spec import SHIPPED_DATA
from ablative.trainables.bfloat16 import lacks_bfloat16
from ablative.trainables.cache import written_whole
from ablative.trainables.config import StudentConfig
from ablative.trainables.config import TrialConfig
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.load import load_split
from ablative.trainables.errors import MissingData
from ablative.trainables.file_digests import file_digests
from ablative.trainables.prepare import prepare_data
from ablative.trainables.settings import Rate
from ablative.trainables.settings import Settings
from ablative.trainables.settings import Weight
from ablative.trainables.strangers import parsing
from ablative.trainables.students.checkpoint import CheckpointError
from ablative.trainables.students.single_stream import SingleStream
from ablative.trainables.students.single_stream import StudentBatch
from ablative.trainables.students.starting_files import starting_files
from ablative.trainables.students.student import StudentModule
from ablative.trainables.students.student import build_student
from ablative.trainables.students.vocabulary import MASK
from ablative.trainables.training.devices import current_device
from ablative.trainables.training.devices import precision
from ablative.trainables.training.devices import to_device
from ablative.trainables.training.inputs import SplitInputs
from ablative.trainables.training.inputs import inputs_of
from ablative.trainables.training.order import batch_indices
from ablative.trainables.training.order import learning_rate
from ablative.trainables.training.saved_run import SavedRun

Objective = Literal["words", "regions", "matching"]
OBJECTIVES: tuple[Objective, ...] = ("words", "regions", "matching")
MASK_RATE = 0.15
KEPT_RATE, REPLACED_RATE = 0.1, 0.1
"""Shares of the masked words that stay as they are, or become any word, as in BERT."""
REPORTED = 100
"""Steps over which losses are averaged."""
SAVED = 500
"""Steps after which the state is saved: what a kill may cost."""
NO_WORD = -100


class SecondStage(Settings):
    """Everything that decides the resulting weights, besides data and starting weights."""

    steps: int = Field(45_000, ge=1, le=10_000_000)
    batch_size: int = Field(64, ge=2, le=65_536)
    lr: Rate = 3e-5
    warmup_fraction: float = Field(0.1, ge=0, lt=1)
    words: Weight = 2.0
    regions: Weight = 2.0
    matching: Weight = 0.0
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: int = Field(0, ge=0)

    @property
    def shares(self) -> np.ndarray:
        """(3,) probability of each objective. Raises ValueError if all weights are 0."""
        weights = np.array([self.words, self.regions, self.matching])
        if not weights.sum():
            raise ValueError("all objectives have weight 0; give words, regions or matching a weight")
        shares: np.ndarray = weights / weights.sum()
        return shares


@dataclass(frozen=True, slots=True, kw_only=True)
class Pretrained:
    """The outcome of a run."""

    output: Path
    examples: int
    """Matched pairs of the train split."""
    steps: int
    resumed_at: int
    """Steps that an earlier run had done."""
    curve: tuple[tuple[int, Mapping[str, float]], ...]
    """(steps done, mean loss of each objective since the point before); of this run."""


class Heads(nn.Module):
    """Heads of the three objectives; thrown away afterwards."""

    def __init__(self, encoder: SingleStream) -> None:
        super().__init__()
        vectors_VW = encoder.text_embedding.vectors
        width, features = encoder.width, encoder.region_embedding.features
        self.words = _transform(width, vectors_VW.shape[1])
        self.word_bias = nn.Parameter(torch.zeros(len(vectors_VW)))
        self.regions = _transform(width, width)
        self.feature_bias = nn.Parameter(torch.zeros(features.in_features))
        self.match = nn.Linear(width, 2)

    def word_loss(self, encoder: SingleStream, states_MS: Tensor, words_M: Tensor) -> Tensor:
        """Cross-entropy over the vocabulary, tied to the word vectors."""
        scores_MV = F.linear(self.words(states_MS), encoder.text_embedding.vectors, self.word_bias)
        return F.cross_entropy(scores_MV.float(), words_M, reduction="sum") / max(1, len(words_M))

    def region_loss(self, encoder: SingleStream, states_MS: Tensor, features_MF: Tensor) -> Tensor:
        """Mean squared error of masked region features, tied to the map that reads them."""
        weight_FS = encoder.region_embedding.features.weight.T
        found_MF = F.linear(self.regions(states_MS), weight_FS, self.feature_bias)
        return F.mse_loss(found_MF.float(), features_MF.float(), reduction="sum") / max(1, features_MF.numel())


def _transform(width: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, out), nn.GELU(), nn.LayerNorm(out))


def pretrain(config: TrialConfig, recipe: SecondStage, output: Path, cache: Path, progress: Progress) -> Pretrained:
    """Pretrain the student of `config` on the train split of its task and write `output`, which `student.init` reads.

    Where `output` is complete, nothing is done. Where an earlier run was interrupted, this one continues.

    Raises:
        MissingData: the data, or a file of the student, are not there.
        CheckpointError: the starting weights do not fit, `output` came from something else, training diverged, or
            this processor has no instructions for bfloat16.
    """
    if recipe.precision == "bfloat16" and current_device().type == "cpu" and lacks_bfloat16():
        raise CheckpointError(
            "--precision: bfloat16 on a processor without instructions for it is far slower than float32; "
            "use float32, or a GPU"
        )
    prepare_data([config], cache, progress)
    split = matched(load_split(config.task.part, config.task.data, "train", cache))
    digest = _digest(config, split, recipe, cache)
    if (steps := _finished(output, digest)) is not None:
        return Pretrained(output=output, examples=len(split.examples), steps=steps, resumed_at=steps, curve=())
    run = _Run(config, split, recipe, cache)
    state = output.with_name(f"{output.name}.state")
    saved = SavedRun(path=state, digest=digest, modules=run.modules, error=CheckpointError)
    done = saved.restored(run.device)
    curve = run.train(done, saved.save, progress)
    facts = {"second_stage": digest, "recipe": recipe.model_dump_json(), "preset": config.student.preset}
    _write(run.student, output, facts)
    saved.forget()
    return Pretrained(
        output=output, examples=len(split.examples), steps=recipe.steps, resumed_at=done, curve=tuple(curve)
    )


def matched(split: TaskSplit) -> TaskSplit:
    """Return the examples that are matched pairs of picture and text; VCR's questions with the right candidate are."""
    wanted = split.task.matched_class
    if wanted is None or len(split.examples[0].candidates) > 1:
        return split
    found = [one for one in split.examples if max(one.targets, key=lambda target: target[1])[0] == wanted]
    if not found:
        raise MissingData(f"{split.task.name}: no example of train is of class {split.classes[wanted]!r}")
    return replace(split, examples=found)


class _Run:
    def __init__(self, config: TrialConfig, split: TaskSplit, recipe: SecondStage, cache: Path) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.device = recipe, current_device()
        self.inputs: SplitInputs = inputs_of(config, split, cache)
        self.student = build_student(
            config.student,
            head=split.task.head,
            num_classes=len(split.classes),
            region_width=self.inputs.regions.width,
        ).to(self.device)
        self.heads = Heads(_encoder(self.student, config.student)).to(self.device)
        self.parameters = [*self.student.encoder.parameters(), *self.heads.parameters()]
        self.optimizer = torch.optim.AdamW(self.parameters, lr=recipe.lr, betas=(0.9, 0.98), weight_decay=0.01)

    @property
    def modules(self) -> dict[str, Any]:
        return {"encoder": self.student.encoder, "heads": self.heads, "optimizer": self.optimizer}

    def train(self, done: int, save: Any, progress: Progress) -> list[tuple[int, Mapping[str, float]]]:
        """Take the steps that are left; return the losses along the way."""
        recipe, curve = self.recipe, list[tuple[int, Mapping[str, float]]]()
        recent: dict[str, list[Tensor]] = {}
        order = batch_indices(len(self.inputs), recipe.batch_size, recipe.steps, recipe.seed)
        self.student.train()
        for step, indices in enumerate(itertools.islice(order, done, None), start=done):
            objective, loss = self._step(step, indices)
            recent.setdefault(objective, []).append(loss)
            finished = step + 1
            if finished % REPORTED == 0 or finished == recipe.steps:
                curve.append((finished, _means(recent, finished)))
                recent.clear()
            progress("second-stage pretraining", finished, recipe.steps)
            if finished % SAVED == 0 and finished < recipe.steps:
                save(finished)
        return curve

    def _step(self, step: int, indices: np.ndarray) -> tuple[Objective, Tensor]:
        recipe = self.recipe
        rng = np.random.default_rng([recipe.seed, step])
        torch.manual_seed(int(rng.integers(2**62)))  # dropout, whatever came before
        objective = OBJECTIVES[int(rng.choice(len(OBJECTIVES), p=recipe.shares))]
        inputs = self._right(indices)
        with precision(recipe.precision, self.device):
            loss = self._loss(objective, inputs, rng)
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.lr * learning_rate(step, recipe.steps, recipe.warmup_fraction)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 2.0)
        self.optimizer.step()
        return objective, loss.detach()

    def _right(self, indices: np.ndarray) -> StudentBatch:
        """The sequences of the right candidates."""
        batch = self.inputs.batch(indices)
        each = len(batch.words) // len(indices)
        if each == 1:
            return batch.inputs
        rows_B = torch.arange(len(indices)) * each + batch.targets_BK.argmax(dim=-1)
        sequences = {name: getattr(batch.inputs, name) for name in StudentBatch.__slots__}
        return replace(batch.inputs, **{name: of[rows_B] for name, of in sequences.items() if of is not None})

    def _loss(self, objective: Objective, inputs: StudentBatch, rng: np.random.Generator) -> Tensor:
        encoder = self.student.encoder
        if objective == "words":
            asked, words_BL = masked_words(inputs, len(encoder.text_embedding.vectors), rng)
            text_BLS, _ = encoder(to_device(asked, self.device))
            chosen_BL = (words_BL != NO_WORD).to(self.device)
            return self.heads.word_loss(encoder, text_BLS[chosen_BL], words_BL.to(self.device)[chosen_BL])
        if objective == "regions":
            asked, chosen_BR = masked_regions(inputs, rng)
            _, regions_BRS = encoder(to_device(asked, self.device))
            features_MF = inputs.regions_BRF[chosen_BR].to(self.device)
            return self.heads.region_loss(encoder, regions_BRS[chosen_BR.to(self.device)], features_MF)
        asked, true_B = exchanged(inputs, rng)
        text_BLS, _ = encoder(to_device(asked, self.device))
        return F.cross_entropy(self.heads.match(text_BLS[:, 0]).float(), true_B.to(self.device))


def _means(recent: Mapping[str, Sequence[Tensor]], step: int) -> dict[str, float]:
    """Return the mean loss of each objective. Raises CheckpointError if one is not finite."""
    means = {name: float(torch.stack(list(losses)).mean()) for name, losses in sorted(recent.items())}
    for name, mean in means.items():
        if not math.isfinite(mean):
            raise CheckpointError(f"the loss of {name} is {mean} by step {step:,}; use a smaller --lr, or float32")
    return means


def masked_words(inputs: StudentBatch, num_words: int, rng: np.random.Generator) -> tuple[StudentBatch, Tensor]:
    """Return the batch with words masked, and (B, L) the word at each masked place, `NO_WORD` elsewhere.

    A share `MASK_RATE` of the words, at least one per text: 8 of 10 become [MASK], one any word, one stays. Special
    tokens and names that stand for a region are never masked.
    """
    free_BL = (inputs.ids_BL > MASK) & (inputs.references_BL < 0)
    chosen_BL = _chosen(free_BL, rng)
    fate_BL = torch.from_numpy(rng.random(tuple(free_BL.shape)))
    any_BL = torch.from_numpy(rng.integers(MASK + 1, num_words, tuple(free_BL.shape)))
    shown_BL = torch.where(fate_BL < 1 - KEPT_RATE - REPLACED_RATE, MASK, any_BL)
    shown_BL = torch.where(fate_BL >= 1 - KEPT_RATE, inputs.ids_BL, shown_BL)
    ids_BL = torch.where(chosen_BL, shown_BL, inputs.ids_BL)
    return replace(inputs, ids_BL=ids_BL), torch.where(chosen_BL, inputs.ids_BL, NO_WORD)


def masked_regions(inputs: StudentBatch, rng: np.random.Generator) -> tuple[StudentBatch, Tensor]:
    """Return the batch with the features of some regions set to 0, and (B, R) which; never the whole image."""
    free_BR = inputs.region_mask_BR.clone()
    free_BR[:, 0] &= free_BR.sum(dim=1) == 1  # a picture without regions is its own
    chosen_BR = _chosen(free_BR, rng)
    hidden = inputs.regions_BRF.masked_fill(chosen_BR.unsqueeze(-1), 0.0)
    return replace(inputs, regions_BRF=hidden), chosen_BR


def exchanged(inputs: StudentBatch, rng: np.random.Generator) -> tuple[StudentBatch, Tensor]:
    """Return the batch with the picture of about half of the texts exchanged, and (B,) 1 where it is the text's own.

    No text keeps its references: one to a region that is not there would give the answer away.
    """
    B = len(inputs.ids_BL)
    own_B = torch.from_numpy(rng.random(B) < 0.5)
    rows_B = torch.where(own_B, torch.arange(B), (torch.arange(B) + int(rng.integers(1, B))) % B)
    same_B = torch.tensor(
        [
            bool(own) or torch.equal(inputs.regions_BRF[row], inputs.regions_BRF[place])
            for place, (own, row) in enumerate(zip(own_B, rows_B.tolist(), strict=True))
        ]
    )
    changed = replace(
        inputs,
        references_BL=torch.full_like(inputs.references_BL, -1),
        regions_BRF=inputs.regions_BRF[rows_B],
        boxes_BR7=inputs.boxes_BR7[rows_B],
        region_mask_BR=inputs.region_mask_BR[rows_B],
    )
    return changed, same_B.long()


def _chosen(free: Tensor, rng: np.random.Generator) -> Tensor:
    """(B, N) bool: a share of the free places, at least one in a row that has any."""
    drawn = torch.from_numpy(rng.random(tuple(free.shape)))
    drawn = torch.where(free, drawn, torch.inf)
    first = torch.zeros_like(free).scatter_(1, drawn.argmin(dim=1, keepdim=True), True)
    return ((drawn < MASK_RATE) | first) & free


def _encoder(student: StudentModule, settings: StudentConfig) -> SingleStream:
    encoder = student.encoder
    if not isinstance(encoder, SingleStream) or encoder.trunk is not None:
        raise CheckpointError(
            f"student.preset: {settings.preset} with visual_input {settings.visual_input} does not read region "
            "features alone; wanted a uniter_* preset with visual_input regions"
        )
    return encoder


def _digest(config: TrialConfig, split: TaskSplit, recipe: SecondStage, cache: Path) -> str:
    """Identify what a run computes: settings without paths, starting weights, pairs."""
    files = starting_files(config.student)
    settings = config.student.model_dump(exclude=set(files))
    texts = hashlib.sha256()
    for one in split.examples:
        texts.update(repr((one.image, one.candidates, one.targets)).encode())
    parts: Sequence[Any] = (
        recipe.model_dump(),
        settings,
        dict(zip(files, file_digests(list(files.values()), cache), strict=True)),
        config.task.data if config.task.data in SHIPPED_DATA else "",
        texts.hexdigest(),
    )
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:20]


def _finished(output: Path, digest: str) -> int | None:
    """Return the steps of a finished output; None if there is none. Raises CheckpointError for another run's."""
    if not output.exists():
        return None
    with parsing(str(output), "give another --output, or remove this file", CheckpointError, passed=CheckpointError):
        with safe_open(output, "pt") as file:
            metadata = file.metadata() or {}
        if metadata.get("second_stage") != digest:
            raise CheckpointError(
                f"{output}: written with other data, weights or options; give another --output, or remove this file"
            )
    steps: int = json.loads(metadata["recipe"])["steps"]
    return steps


def _write(student: StudentModule, output: Path, metadata: dict[str, str]) -> None:
    encoder: Any = student.encoder
    output.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.cpu().contiguous() for name, value in encoder.state_dict().items()}
    norm_eps = str(encoder.text_embedding.norm.eps)
    with written_whole(output) as scratch:
        save_file(tensors, scratch, metadata={**metadata, "norm_eps": norm_eps})
        scratch.chmod(0o644)  # safetensors writes for its own user alone
