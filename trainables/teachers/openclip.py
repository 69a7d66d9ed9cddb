"""Loads a teacher by its configuration: the bundled one, or any open_clip model with a local checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ablative.trainables.config import TeacherConfig
from ablative.trainables.open_clip_log import weights_follow
from ablative.trainables.open_clip_weights import load_checkpoint
from ablative.trainables.open_clip_weights import require_weights_of
from ablative.trainables.strangers import parsing
from ablative.trainables.teachers.archives import is_archive
from ablative.trainables.teachers.archives import read_archive
from ablative.trainables.teachers.digest import BUNDLED
from ablative.trainables.teachers.digest import FOLDER_SCHEMA
from ablative.trainables.teachers.errors import TeacherError
from ablative.trainables.teachers.teacher import Teacher
from ablative.trainables.torchvision_ops import declare_missing_ops

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
        from ablative.trainables.teachers.mini_dual_encoder import load_mini_dual_encoder
        from ablative.trainables.teachers.mini_dual_encoder import untrained_mini_dual_encoder

        if config.checkpoint is not None:
            raise TeacherError(f"teacher.checkpoint: {BUNDLED} has none; found {config.checkpoint!r}; leave it out")
        return (
            untrained_mini_dual_encoder() if config.control == "untrained" else load_mini_dual_encoder(cache, progress)
        )
    return _open_clip_teacher(config)


def _open_clip_teacher(config: TeacherConfig) -> Teacher:
    declare_missing_ops()
    import open_clip

    if not config.model.startswith(FOLDER_SCHEMA) and config.model not in open_clip.list_models():
        raise TeacherError(_unknown_model(config.model, open_clip.list_models()))
    random = config.control == "untrained"
    if not random and config.checkpoint is None and not config.model.startswith(FOLDER_SCHEMA):
        raise TeacherError(f"teacher.checkpoint: {config.model} has no weights; give the local path of its checkpoint")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_UNTRAINED_SEED)
        model, preprocess = _create(config, random)
    return Teacher(model, open_clip.get_tokenizer(config.model), preprocess)


def _create(config: TeacherConfig, random: bool) -> tuple[Any, Any]:
    import open_clip

    pixels = _published_preprocessing(config.model) if config.checkpoint is not None else {}
    place = f"teacher.checkpoint: {config.checkpoint or config.model} cannot be loaded into {config.model}"
    remedy = "wanted this model's weights: open_clip's .pt or .safetensors, or OpenAI's archive"
    with parsing(place, remedy, TeacherError, passed=TeacherError):
        with weights_follow():
            model, _, preprocess = open_clip.create_model_and_transforms(
                config.model, load_weights=not random, pretrained_text=False, **pixels
            )
        if config.checkpoint is not None and not random:
            _load(model, config.model, Path(config.checkpoint).expanduser())
        require_weights_of(model, model.state_dict())  # those of a folder were loaded by open_clip itself
    return model, preprocess


def _load(model: Any, name: str, path: Path) -> None:
    """Load a local checkpoint of open_clip, or a TorchScript archive as OpenAI's; nothing in it is executed."""
    from open_clip.model import convert_to_custom_text_state_dict

    if not is_archive(path):
        _same_activation(model, name, path, _said_beside(path))
        load_checkpoint(model, path)
        return
    archive = read_archive(path)
    _same_activation(model, name, path, archive.quick_gelu)
    plain = hasattr(model, "positional_embedding")
    weights = archive.weights if plain else convert_to_custom_text_state_dict(archive.weights)
    require_weights_of(model, weights)
    model.load_state_dict(weights)


def _said_beside(checkpoint: Path) -> bool | None:
    """Whether `open_clip_config.json` beside a checkpoint asks for QuickGELU; None where there is none."""
    path = checkpoint.parent / "open_clip_config.json"
    if not path.is_file():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    return bool(content.get("model_cfg", {}).get("quick_gelu", False))


def _same_activation(model: Any, name: str, path: Path, wanted: bool | None) -> None:
    """Refuse weights that were trained with the other activation: they load, and give wrong features."""
    found = any(type(module).__name__ == "QuickGELU" for module in model.modules())
    if wanted is None or found == wanted:
        return
    trained, has = ("QuickGELU", "GELU") if wanted else ("GELU", "QuickGELU")
    remedy = f"{name}-quickgelu" if wanted else name.removesuffix("-quickgelu")
    raise TeacherError(
        f"teacher.model: {name} uses {has}, but {path} was trained with {trained}; wanted teacher.model: {remedy}"
    )


def _published_preprocessing(name: str) -> dict[str, Any]:
    """Pixel statistics and resizing that all published weights of a model agree on, as open_clip's arguments.

    A checkpoint does not say them, and open_clip's default is CLIP's; SigLIP, say, wants others. Where published
    weights differ among themselves the default stays.
    """
    from open_clip.pretrained import get_pretrained_cfg
    from open_clip.pretrained import list_pretrained_tags_by_model

    published = [get_pretrained_cfg(name, tag) for tag in list_pretrained_tags_by_model(name)]
    keys = {"image_mean": "mean", "image_std": "std", "image_interpolation": "interpolation"}
    keys["image_resize_mode"] = "resize_mode"
    agreed = {}
    for argument, key in keys.items():
        values = {json.dumps(found.get(key)) for found in published}
        if len(values) == 1 and (value := json.loads(values.pop())) is not None:
            agreed[argument] = value
    return agreed


def _unknown_model(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, [BUNDLED, *known], n=1)
    remedy = f"did you mean {near[0]!r}?" if near else f"wanted {BUNDLED} or a name of open_clip.list_models()"
    return f"teacher.model: found {name!r}; {remedy}"
