"""Loads CLIP and SigLIP models from folders of transformers. Nothing in a folder is executed.

Dimensions: B images or texts, L token positions, P patches, D joint width.
"""

from __future__ import annotations

import json
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
from ablative.trainables.teachers.folder_tokenizer import FolderTokenizer
from ablative.trainables.teachers.folder_tokenizer import quiet_transformers
from ablative.trainables.teachers.region_features import centre_crop
from ablative.trainables.teachers.region_features import whole_picture
from ablative.trainables.teachers.two_towers import require_all

_UNTRAINED_SEED = 104_729
_SETTING = "teacher.transformers.folder"


class Clip(nn.Module):
    """CLIP with the interface of a teacher."""

    classes = ("CLIPConfig", "CLIPModel")
    padding = "longest"

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model: Any = model

    @property
    def logit_scale(self) -> Tensor:
        """Natural logarithm of the factor of the cosines."""
        scale: Tensor = self.model.logit_scale
        return scale

    def encode_image(self, pixels_B3HW: Tensor) -> Tensor:
        """Return (B, D)."""
        pooled: Tensor = self.model.vision_model(pixel_values=pixels_B3HW).pooler_output
        return self.of_image(pooled)

    def encode_text(self, ids_BL: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, D) embeddings and (B, L, D) final states through the head."""
        read = self.model.text_model(input_ids=ids_BL)
        projection = self.model.text_projection
        return projection(read.pooler_output), projection(read.last_hidden_state)

    def patches(self, pixels_B3HW: Tensor) -> Tensor:
        """Return (B, P, D) final states of the patches through the head."""
        vision = self.model.vision_model
        states_BPF = vision(pixel_values=pixels_B3HW).last_hidden_state[:, 1:]
        return self.of_image(vision.post_layernorm(states_BPF))

    def of_image(self, states: Tensor) -> Tensor:
        """Return states of the image tower in the joint space."""
        projected: Tensor = self.model.visual_projection(states)
        return projected


class Siglip(Clip):
    """SigLIP has no projection behind the image tower, and pads texts to their full length, as in training."""

    classes = ("SiglipConfig", "SiglipModel")
    padding = "max_length"

    def encode_text(self, ids_BL: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, D) embeddings and (B, L, D) final states through the head."""
        tower = self.model.text_model
        read = tower(input_ids=ids_BL)
        return read.pooler_output, tower.head(read.last_hidden_state)

    def of_image(self, states: Tensor) -> Tensor:
        """Return states of the image tower, which lie in the joint space."""
        return states


_KINDS: dict[str, type[Clip]] = {"clip": Clip, "siglip": Siglip}
"""`model_type` of a folder's config.json -> how it is read."""


def load_folder(folder: Path, *, untrained: bool) -> DualEncoder:
    """Return the model of a folder. Raises TeacherError if it is of another kind, or incomplete."""
    transformers, kind = quiet_transformers(), _kind(folder)
    remedy = "wanted config.json, model.safetensors, tokenizer.json and preprocessor_config.json of one model"
    with parsing(f"{_SETTING}: {folder} cannot be loaded", remedy, TeacherError, passed=TeacherError):
        config = getattr(transformers, kind.classes[0]).from_pretrained(str(folder), local_files_only=True)
        model = kind(_filled(getattr(transformers, kind.classes[1]), folder, config, untrained))
        preprocess = transformers.AutoImageProcessor.from_pretrained(str(folder), **LOCAL)
        most = config.text_config.max_position_embeddings
        tokenizer = FolderTokenizer(_SETTING, folder, most, padding=kind.padding)  # type: ignore[arg-type]
    return DualEncoder(
        model,
        tokenizer,
        lambda image: preprocess(images=image, return_tensors="pt")["pixel_values"][0],
        read_tokens=lambda model, ids: model.encode_text(ids),
        read_patches=lambda model, pixels: model.patches(pixels),
        window=centre_crop if getattr(preprocess, "do_center_crop", False) else whole_picture,
    )


def _kind(folder: Path) -> type[Clip]:
    remedy = "wanted the config.json of a CLIP or SigLIP model"
    with parsing(f"{_SETTING}: {folder / 'config.json'}", remedy, TeacherError):
        found = str(json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type"))
    if found not in _KINDS:
        raise TeacherError(f"{_SETTING}: {folder} holds a model of type {found!r}; wanted one of {', '.join(_KINDS)}")
    return _KINDS[found]


def _filled(cls: Any, folder: Path, config: Any, untrained: bool) -> nn.Module:
    if untrained:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_UNTRAINED_SEED)
            made: nn.Module = cls(config)
            return made
    model, said = cls.from_pretrained(
        str(folder),
        config=config,
        local_files_only=True,
        use_safetensors=True,
        dtype=torch.float32,
        output_loading_info=True,
    )
    require_all(said)
    require_weights_of(model, model.state_dict())
    loaded: nn.Module = model
    return loaded
