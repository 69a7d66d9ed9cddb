"""Loads a timm image tower and a transformers text tower that share no space.

Dimensions: B images or texts, L token positions, F width of the image tower, W width of the text tower.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch import nn

from ablative.trainables.open_clip_weights import require_weights_of
from ablative.trainables.strangers import parsing
from ablative.trainables.teachers.dual_encoder import DualEncoder
from ablative.trainables.teachers.errors import TeacherError
from ablative.trainables.teachers.folder_tokenizer import LOCAL
from ablative.trainables.teachers.folder_tokenizer import PADDING
from ablative.trainables.teachers.folder_tokenizer import FolderTokenizer
from ablative.trainables.teachers.folder_tokenizer import quiet_transformers
from ablative.trainables.vision.timm_tower import load_timm

_UNTRAINED_SEED = 104_729
_SETTING = "teacher.two_towers"


class TwoTowers(nn.Module):
    """Both towers; widths differ, and the factor of cosines is 1."""

    def __init__(self, image: Any, text: nn.Module, pooling: str) -> None:
        super().__init__()
        self.image = image
        self.text: Any = text
        self.pooling = pooling
        self.image_width = int(getattr(image, "head_hidden_size", None) or image.num_features)
        self.register_buffer("logit_scale", torch.zeros(()))

    def encode_image(self, pixels_B3HW: Tensor) -> Tensor:
        """Return (B, F)."""
        features: Tensor = self.image(pixels_B3HW)
        return features

    def encode_text(self, ids_BL: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, W) embeddings and (B, L, W) states."""
        mask_BL = ids_BL != PADDING
        states_BLW = self.text(input_ids=ids_BL.clamp_min(0), attention_mask=mask_BL.long()).last_hidden_state
        if self.pooling == "cls":
            return states_BLW[:, 0], states_BLW
        if self.pooling == "last":
            return states_BLW[torch.arange(len(ids_BL)), mask_BL.sum(1).clamp_min(1) - 1], states_BLW
        weights_BL1 = mask_BL.unsqueeze(-1).to(states_BLW.dtype)
        return (states_BLW * weights_BL1).sum(1) / weights_BL1.sum(1).clamp_min(1), states_BLW


def load_two_towers(options: Any, *, untrained: bool) -> DualEncoder:
    """Return both towers. Raises TeacherError if files are missing or do not fit."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_UNTRAINED_SEED)
        image, preprocess = _image_tower(options, untrained)
        text, tokenizer = _text_tower(Path(options.text_folder).expanduser(), untrained)
    towers = TwoTowers(image, text, options.pooling)
    return DualEncoder(towers, tokenizer, preprocess, read_tokens=lambda model, ids: model.encode_text(ids))


def _image_tower(options: Any, untrained: bool) -> tuple[nn.Module, Any]:
    from timm.data import create_transform
    from timm.data import resolve_model_data_config

    tower = load_timm(
        options.image_model,
        None if untrained else Path(options.image_checkpoint).expanduser(),
        model_setting=f"{_SETTING}.image_model",
        checkpoint_setting=f"{_SETTING}.image_checkpoint",
        error=TeacherError,
    )
    return tower, create_transform(**resolve_model_data_config(tower), is_training=False)


def _text_tower(folder: Path, untrained: bool) -> tuple[nn.Module, FolderTokenizer]:
    transformers = quiet_transformers()
    setting = f"{_SETTING}.text_folder"
    with parsing(f"{setting}: no model can be read from {folder}", "wanted a folder of transformers", TeacherError):
        config = transformers.AutoConfig.from_pretrained(str(folder), **LOCAL)
    if config.is_encoder_decoder or not hasattr(config, "max_position_embeddings"):
        raise TeacherError(
            f"{setting}: {config.model_type} of {folder} is not a text encoder; give one, such as a BERT"
        )
    tokenizer = FolderTokenizer(setting, folder, config.max_position_embeddings, marked=True)
    place = f"{setting}: the weights of {folder} cannot be loaded into its {config.model_type}"
    with parsing(place, "wanted model.safetensors with all of them", TeacherError, passed=TeacherError):
        return _filled_text(folder, config, untrained), tokenizer


def _filled_text(folder: Path, config: Any, untrained: bool) -> nn.Module:
    transformers = quiet_transformers()
    if untrained:
        made: nn.Module = transformers.AutoModel.from_config(config, trust_remote_code=False)
        return made
    tower, said = transformers.AutoModel.from_pretrained(
        str(folder), config=config, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **LOCAL
    )
    require_all(said)
    require_weights_of(tower, tower.state_dict())
    loaded: nn.Module = tower
    return loaded


def require_all(said: dict[str, Any]) -> None:
    """Raise ValueError if a model was loaded without some of its weights; an unused pooler does not count."""
    missing = sorted(name for name in said["missing_keys"] if not name.startswith("pooler."))
    if missing:
        raise ValueError(f"without {missing[0]}" + (f" and {len(missing) - 1} more" if len(missing) > 1 else ""))
