"""AF-T of whole towers: an open_clip model is fine-tuned on a task's matched pairs, once and before any study.

The objective is that of `adaptation`, at the teacher's own scale, but all weights of both towers learn. The result is
a folder that open_clip reads, and that a study names as `teacher.model: local-dir:FOLDER`. Batch norms keep their
statistics, and the scale stays: it is what turns the teacher's cosines into confidence.

Steps draw from the seed and their number alone, so a run that was killed continues exactly.

Dimensions: B pairs, K texts (their own, then the wrong ones), D joint width.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import shutil
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
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

from ablative.progress import Progress
from ablative.trainables.bfloat16 import lacks_bfloat16
from ablative.trainables.cache import folder_written_whole
from ablative.trainables.config import TeacherConfig
from ablative.trainables.config import TrialConfig
from ablative.trainables.data.load import load_split
from ablative.trainables.data.load import prepare_folder
from ablative.trainables.data.pairs import Pair
from ablative.trainables.data.pictures import Pictures
from ablative.trainables.data.subsets import subset
from ablative.trainables.settings import Rate
from ablative.trainables.settings import Settings
from ablative.trainables.strangers import parsing
from ablative.trainables.teachers.adaptation import PairBatch
from ablative.trainables.teachers.adaptation import texts_of
from ablative.trainables.teachers.adaptation import texts_true_of
from ablative.trainables.teachers.digest import teacher_digest
from ablative.trainables.teachers.dual_encoder import DualEncoder
from ablative.trainables.teachers.errors import TeacherError
from ablative.trainables.teachers.kinds.open_clip import folder_of
from ablative.trainables.teachers.loading import load_teacher
from ablative.trainables.training.devices import current_device
from ablative.trainables.training.devices import precision
from ablative.trainables.training.order import batch_indices
from ablative.trainables.training.order import learning_rate
from ablative.trainables.training.saved_run import SavedRun

REPORTED = 20
"""Steps over which losses are averaged."""
SAVED = 200
"""Steps after which the state is saved: what a kill may cost."""
CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
"""open_clip's names of the files in a model's folder."""


class TowerAdaptation(Settings):
    """Everything that decides the weights that come out, besides data and the teacher."""

    steps: int = Field(1000, ge=1, le=10_000_000)
    batch_size: int = Field(64, ge=2, le=65_536)
    lr: Rate = 1e-6
    warmup_fraction: float = Field(0.1, ge=0, lt=1)
    weight_decay: float = Field(0.1, ge=0, le=1)
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: int = Field(0, ge=0)
    """Of the order of pairs, and of the subset: that which trials of this seed train on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapted:
    """The outcome of a run."""

    pairs: int
    steps: int
    resumed_at: int
    """Steps that an earlier run had done."""
    curve: tuple[tuple[int, float], ...]
    """(steps done, mean loss since the point before); of this run."""


def adapt(config: TrialConfig, recipe: TowerAdaptation, output: Path, cache: Path, progress: Progress) -> Adapted:
    """Fine-tune the teacher of `config` on the pairs of its share of train, and write the folder `output`.

    Where `output` is complete, nothing is done. Where an earlier run was interrupted, this one continues.

    Raises:
        MissingData: the data are not there.
        TeacherError: the teacher is no open_clip model or cannot be loaded, there are fewer than two pairs, `output`
            came from something else, training diverged, or this processor has no instructions for bfloat16.
    """
    task, teacher = config.task, config.teacher
    require_open_clip(teacher)
    before = teacher_digest(teacher, cache)
    if recipe.precision == "bfloat16" and current_device().type == "cpu" and lacks_bfloat16():
        raise TeacherError(
            "--precision: bfloat16 on a processor without instructions for it is far slower than float32; "
            "use float32, or a GPU"
        )
    prepare_folder(task.part, task.data, cache, progress)
    split = subset(load_split(task.part, task.data, "train", cache), task.data_fraction, recipe.seed)
    pairs = task.part.pairs(split)
    if len(pairs) < 2:
        raise TeacherError(f"{task.data}: {len(pairs)} matched pairs in this share of train; wanted two and more")
    digest = _digest(pairs, recipe, before)
    if (steps := _finished(output, digest)) is not None:
        return Adapted(pairs=len(pairs), steps=steps, resumed_at=steps, curve=())
    run = _Run(load_teacher(teacher, cache), pairs, Pictures(Path(split.image_folder)), recipe)
    saved = SavedRun(
        path=output.with_name(f"{output.name}.state"), digest=digest, modules=run.modules, error=TeacherError
    )
    done = saved.restored(run.device)
    curve = run.train(done, saved.save, progress)
    _write(run.encoder, teacher, output, {"adapted": digest, "recipe": recipe.model_dump_json()})
    saved.forget()
    return Adapted(pairs=len(pairs), steps=recipe.steps, resumed_at=done, curve=tuple(curve))


def require_open_clip(teacher: TeacherConfig) -> None:
    """Raise TeacherError if a teacher is not an open_clip model with weights of its own."""
    if teacher.part.name != "open_clip":
        raise TeacherError(
            f"teacher.model: {teacher.model} has no towers of open_clip's; wanted the name of an open_clip model with "
            "its checkpoint, or local-dir: and the path of a folder"
        )


class _Run:
    def __init__(
        self, encoder: DualEncoder, pairs: Sequence[Pair], pictures: Pictures, recipe: TowerAdaptation
    ) -> None:
        self.recipe, self.device, self.pairs, self.pictures = recipe, current_device(), pairs, pictures
        self.encoder = encoder.to(self.device)
        self.scale = encoder.logit_scale
        self.true_of = texts_true_of(pairs)
        model = self.encoder.model
        self.parameters = [value.requires_grad_() for name, value in model.named_parameters() if "logit_" not in name]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=recipe.lr, betas=(0.9, 0.98), eps=1e-6, weight_decay=recipe.weight_decay
        )

    @property
    def modules(self) -> Mapping[str, Any]:
        return {"model": self.encoder.model, "optimizer": self.optimizer}

    def train(self, done: int, save: Callable[[int], None], progress: Progress) -> list[tuple[int, float]]:
        """Take the steps that are left; return the losses along the way."""
        recipe, curve, recent = self.recipe, list[tuple[int, float]](), list[Tensor]()
        order = batch_indices(len(self.pairs), min(recipe.batch_size, len(self.pairs)), recipe.steps, recipe.seed)
        for step, indices in enumerate(itertools.islice(order, done, None), start=done):
            recent.append(self._step(step, [self.pairs[i] for i in indices]))
            finished = step + 1
            if finished % REPORTED == 0 or finished == recipe.steps:
                curve.append((finished, _mean(recent, finished)))
                recent.clear()
            progress("adapting the teacher's towers", finished, recipe.steps)
            if finished % SAVED == 0 and finished < recipe.steps:
                save(finished)
        return curve

    def _step(self, step: int, pairs: Sequence[Pair]) -> Tensor:
        recipe = self.recipe
        torch.manual_seed(int(np.random.default_rng([recipe.seed, step]).integers(2**62)))
        texts = texts_of(pairs)
        with precision(recipe.precision, self.device):
            images_BD, texts_KD = self.encoder.embedded([self.pictures.picture(one.image) for one in pairs], texts)
            batch = PairBatch.made(pairs, images_BD.float(), texts, texts_KD.float(), self.true_of)
        loss = batch.contrast(self.scale)
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.lr * learning_rate(step, recipe.steps, recipe.warmup_fraction)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        return loss.detach()


def _mean(losses: Sequence[Tensor], step: int) -> float:
    mean = float(torch.stack(list(losses)).mean())
    if not math.isfinite(mean):
        raise TeacherError(f"the loss is {mean} by step {step:,}; use a smaller --lr, or float32")
    return mean


def _digest(pairs: Sequence[Pair], recipe: TowerAdaptation, teacher: str) -> str:
    """Identify what a run computes."""
    said = hashlib.sha256()
    for pair in pairs:
        said.update(json.dumps(asdict(pair)).encode())
    content = [recipe.model_dump(), said.hexdigest(), teacher]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:20]


def _finished(output: Path, digest: str) -> int | None:
    """Return the steps of a finished output; None if there is none. Raises TeacherError for another one."""
    if not output.exists():
        return None
    remedy = "give another --output, or remove this folder"
    with parsing(str(output), remedy, TeacherError, passed=TeacherError):
        with safe_open(output / WEIGHTS, "pt") as file:
            metadata = file.metadata() or {}
        if metadata.get("adapted") != digest:
            raise TeacherError(f"{output}: written with other data, weights or options; {remedy}")
        steps: int = json.loads(metadata["recipe"])["steps"]
    return steps


def _write(encoder: DualEncoder, teacher: TeacherConfig, output: Path, metadata: dict[str, str]) -> None:
    """Write a folder as `open_clip` reads it, whole or not at all."""
    output.parent.mkdir(parents=True, exist_ok=True)
    source = folder_of(teacher)
    with folder_written_whole(output) as scratch:
        for path in sorted(source.expanduser().iterdir()) if source is not None else ():
            if path.is_file() and path.suffix not in (".safetensors", ".bin", ".pt"):
                shutil.copy(path, scratch / path.name)
        if source is None:
            content = {"model_cfg": _shape(teacher.model), "preprocess_cfg": encoder.model.visual.preprocess_cfg}
            (scratch / CONFIG).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        tensors = {name: value.cpu().contiguous() for name, value in encoder.model.state_dict().items()}
        save_file(tensors, scratch / WEIGHTS, metadata=metadata)
        (scratch / WEIGHTS).chmod(0o644)  # safetensors writes for its own user alone


def _shape(model: str) -> dict[str, Any]:
    import open_clip

    found: dict[str, Any] = open_clip.get_model_config(model)
    return found
