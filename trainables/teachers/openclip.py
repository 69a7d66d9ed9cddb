"""Loads a teacher by its configuration: the bundled one, or any open_clip model with a local checkpoint."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from trainables.config import TeacherConfig
from trainables.teachers.digest import BUNDLED
from trainables.teachers.errors import TeacherError
from trainables.teachers.teacher import Teacher
from trainables.torchvision_ops import declare_missing_ops

Progress = Callable[[str, int, int], None]

_UNTRAINED_SEED = 104_729


def load_teacher(config: TeacherConfig, cache: Path, progress: Progress = lambda *_: None) -> Teacher:
    """Return the teacher, frozen and in eval mode, on the CPU.

    The controls `shuffled` and `blank_image` concern what is done with features, not the model. `untrained` gives the
    same architecture with random weights, always the same ones.

    Raises:
        TeacherError: no such model, or the checkpoint is missing or does not fit it.
    """
    if config.model == BUNDLED:
        from trainables.teachers.mini_dual_encoder import load_mini_dual_encoder
        from trainables.teachers.mini_dual_encoder import untrained_mini_dual_encoder

        if config.checkpoint is not None:
            raise TeacherError(f"teacher.checkpoint: {BUNDLED} has none; found {config.checkpoint!r}; leave it out")
        return (
            untrained_mini_dual_encoder() if config.control == "untrained" else load_mini_dual_encoder(cache, progress)
        )
    return _open_clip_teacher(config)


def _open_clip_teacher(config: TeacherConfig) -> Teacher:
    declare_missing_ops()
    import open_clip

    if not config.model.startswith("local-dir:") and config.model not in open_clip.list_models():
        raise TeacherError(_unknown_model(config.model, open_clip.list_models()))
    random = config.control == "untrained"
    if not random and config.checkpoint is None and not config.model.startswith("local-dir:"):
        raise TeacherError(
            f"teacher.checkpoint: {config.model} has no weights; give the local path of its open_clip checkpoint"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_UNTRAINED_SEED)
        model, preprocess = _create(config, random)
    return Teacher(model, open_clip.get_tokenizer(config.model), preprocess)


def _create(config: TeacherConfig, random: bool) -> tuple[Any, Any]:
    import open_clip

    try:
        model, _, preprocess = open_clip.create_model_and_transforms(
            config.model, load_weights=not random, pretrained_text=False
        )
        if config.checkpoint is not None and not random:
            open_clip.load_checkpoint(model, str(Path(config.checkpoint).expanduser()), weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, AttributeError, pickle.UnpicklingError) as error:
        raise TeacherError(
            f"teacher.checkpoint: {config.checkpoint or config.model} cannot be loaded into {config.model}: "
            f"{_first_line(error)}; wanted this model's open_clip weights, as .pt or .safetensors"
        ) from error
    return model, preprocess


def _unknown_model(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, [BUNDLED, *known], n=1)
    remedy = f"did you mean {near[0]!r}?" if near else f"wanted {BUNDLED} or a name of open_clip.list_models()"
    return f"teacher.model: found {name!r}; {remedy}"


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
