"""Loads any open_clip model with the weights of a local checkpoint or of its folder."""

from __future__ import annotations

import json
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
from ablative.trainables.teachers.dual_encoder import DualEncoder
from ablative.trainables.teachers.errors import TeacherError
from ablative.trainables.teachers.region_features import centre_crop
from ablative.trainables.teachers.region_features import padded
from ablative.trainables.teachers.region_features import whole_picture
from ablative.trainables.torchvision_ops import declare_missing_ops

_UNTRAINED_SEED = 104_729
_RESIZE_MODES = {"padded": "longest", "squashed": "squash"}
"""`teacher.open_clip.pictures` -> open_clip's word for it."""
_WINDOWS = {"shortest": centre_crop, "longest": padded, "squash": whole_picture}
"""open_clip's word -> what the image tower sees of a picture."""


def load_open_clip(config: TeacherConfig, *, folder: bool) -> DualEncoder:
    """Return the open_clip model that `config` names, with the weights of its checkpoint or `folder`.

    Raises:
        TeacherError: no such model, or the checkpoint is missing or does not fit.
    """
    declare_missing_ops()
    import open_clip

    random = config.control == "untrained"
    if not random and config.checkpoint is None and not folder:
        raise TeacherError(f"teacher.checkpoint: {config.model} has no weights; give the local path of its checkpoint")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_UNTRAINED_SEED)
        model, preprocess = _create(config, random)
    window = _WINDOWS[model.visual.preprocess_cfg["resize_mode"]]
    return DualEncoder(model, open_clip.get_tokenizer(config.model), preprocess, window=window)


def _create(config: Any, random: bool) -> tuple[Any, Any]:
    import open_clip

    pixels = _published_preprocessing(config.model) if config.checkpoint is not None else {}
    if (mode := _RESIZE_MODES.get(config.options.pictures)) is not None:
        pixels["image_resize_mode"] = mode
    place = f"teacher.checkpoint: {config.checkpoint or config.model} cannot be loaded into {config.model}"
    remedy = "wanted this model's weights: open_clip's .pt or .safetensors, or OpenAI's archive"
    with parsing(place, remedy, TeacherError, passed=TeacherError):
        with weights_follow():
            model, _, preprocess = open_clip.create_model_and_transforms(
                config.model, load_weights=not random, pretrained_text=False, **pixels
            )
        if config.checkpoint is not None and not random:
            _load(model, config.model, Path(config.checkpoint).expanduser())
        require_weights_of(model, model.state_dict())  # open_clip itself has loaded those of a folder
    return model, preprocess


def _load(model: Any, name: str, path: Path) -> None:
    """Load a local open_clip checkpoint, or a TorchScript archive such as OpenAI's; nothing in it is executed."""
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
    """Whether `open_clip_config.json` beside a checkpoint asks for QuickGELU; None if there is no such file."""
    path = checkpoint.parent / "open_clip_config.json"
    if not path.is_file():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    return bool(content.get("model_cfg", {}).get("quick_gelu", False))


def _same_activation(model: Any, name: str, path: Path, wanted: bool | None) -> None:
    """Reject weights that were trained with the other activation: they load, and give wrong features."""
    found = any(type(module).__name__ == "QuickGELU" for module in model.modules())
    if wanted is None or found == wanted:
        return
    trained, has = ("QuickGELU", "GELU") if wanted else ("GELU", "QuickGELU")
    remedy = f"{name}-quickgelu" if wanted else name.removesuffix("-quickgelu")
    raise TeacherError(
        f"teacher.model: {name} uses {has}, but {path} was trained with {trained}; wanted teacher.model: {remedy}"
    )


def _published_preprocessing(name: str) -> dict[str, Any]:
    """Pixel statistics and resizing on which all published weights of a model agree, as open_clip's arguments.

    A checkpoint does not contain them, and open_clip's default is CLIP's; SigLIP, for one, needs others. If published
    weights disagree, the default stays.
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
