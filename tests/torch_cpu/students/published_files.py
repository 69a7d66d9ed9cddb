"""Checkpoints of a small student with the names that BERT, UNITER and VL-BERT publish theirs under."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ablative.trainables.students.transformer_preset import TransformerPreset

WORDS = 120
REGION_WIDTH = 20
SMALL = TransformerPreset(
    description="small", num_layers=2, width=32, num_heads=4, hidden=64, frozen_words=False, longest_text=12
)


def bert_model(words: int = WORDS) -> Any:
    """Transformers' own BERT of the small student's size, with longer positions and random norms too."""
    from ablative.trainables.torchvision_ops import declare_missing_ops

    declare_missing_ops()
    from transformers import BertConfig
    from transformers import BertModel

    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=words,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=16,
    )
    model = BertModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def bert_tensors(words: int = WORDS) -> dict[str, torch.Tensor]:
    """Names as in `pytorch_model.bin` of a BertForPreTraining."""
    tensors = {f"bert.{name}": value.clone() for name, value in bert_model(words).state_dict().items()}
    return {name: value for name, value in tensors.items() if "_ids" not in name} | {
        "cls.predictions.bias": torch.zeros(words)
    }


def uniter_tensors(words: int = WORDS, region_width: int = REGION_WIDTH, types: int = 2) -> dict[str, torch.Tensor]:
    """Names as in `uniter-base.pt` and `villa-base.pt`."""
    torch.manual_seed(4)
    tensors = {name.replace("bert.", "uniter."): value for name, value in bert_tensors(words).items()}
    tensors["uniter.embeddings.token_type_embeddings.weight"] = torch.randn(types, 32)
    shapes = {
        "img_linear": (32, region_width),
        "img_layer_norm": (32,),
        "pos_linear": (32, 7),
        "pos_layer_norm": (32,),
        "LayerNorm": (32,),
    }
    for name, shape in shapes.items():
        tensors[f"uniter.img_embeddings.{name}.weight"] = torch.randn(shape)
        tensors[f"uniter.img_embeddings.{name}.bias"] = torch.randn(32)
    tensors["uniter.img_embeddings.mask_embedding.weight"] = torch.randn(2, region_width)
    tensors["itm_output.weight"] = torch.randn(2, 32)
    return tensors


def vl_bert_tensors(words: int = WORDS, region_width: int = REGION_WIDTH) -> dict[str, torch.Tensor]:
    """Names as in the `state_dict` of VL-BERT's `.model` files; maps of another visual size come on top."""
    torch.manual_seed(5)
    tensors: dict[str, torch.Tensor] = {}
    for name, value in bert_tensors(words).items():
        inner = name.removeprefix("bert.").removeprefix("embeddings.")
        inner = inner.replace("LayerNorm", "embedding_LayerNorm") if inner.startswith("LayerNorm") else inner
        tensors[f"module.vlbert.{inner}"] = value
    tensors["module.vlbert.token_type_embeddings.weight"] = torch.randn(3, 32)
    tensors["module.vlbert.end_embedding.weight"] = torch.randn(1, 32)
    for name in ("text", "object"):
        tensors[f"module.vlbert.visual_1x1_{name}.weight"] = torch.randn(32, region_width)
        tensors[f"module.vlbert.visual_1x1_{name}.bias"] = torch.randn(32)
        tensors[f"module.vlbert.visual_ln_{name}.weight"] = torch.randn(32)
        tensors[f"module.vlbert.visual_ln_{name}.bias"] = torch.randn(32)
    tensors["module.object_linguistic_embeddings.weight"] = torch.randn(1, 32)
    tensors["module.image_feature_extractor.obj_downsample.1.weight"] = 0.05 * torch.randn(32, 2048 + region_width)
    tensors["module.image_feature_extractor.obj_downsample.1.bias"] = torch.randn(32)
    return tensors


def vocabulary_file(path: Path, pieces: list[str], total: int = WORDS) -> str:
    """A vocabulary with BERT's special pieces in their places and `pieces` behind them."""
    unused = iter(range(1000))
    named = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]"}
    rows = [named.get(place) or f"[unused{next(unused)}]" for place in range(104)]
    rows += pieces
    rows += [f"[unused{next(unused)}]" for _ in range(total - len(rows))]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return str(path)
