"""How published checkpoints name their parameters, and where each belongs in the student. Facts only, no torch.

- BERT as transformers saves it; older files say gamma and beta for a norm's weight and bias.
- UNITER (github.com/ChenRocks/UNITER, model/model.py) and VILLA (github.com/zhegan27/VILLA), which shares the names.
- VL-BERT (github.com/jackroos/VL-BERT, common/visual_linguistic_bert.py and common/fast_rcnn.py).

All three have BERT's transformer. Any prefix of the transformer's names is removed (`bert.`, `uniter.`,
`module.vlbert.`). Of VL-BERT's names beside the transformer (`module.image_feature_extractor.`) the prefix of both is.
Student names are those of `Student.state_dict()`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

Layout = Literal["own", "bert", "uniter", "vl_bert"]

VCR_WORDS = 81
"""Rows that UNITER adds behind BERT's vocabulary for VCR's detected classes."""
WORDS = "encoder.text_embedding.vectors"
_PROBE = "encoder.layer.0.attention.self.query.weight"
_OWN_PROBE = "text_embedding.positions.weight"
_VL_BERT_PROBE = "encoder.region_embedding.text_norm.weight"
"""Parameter that only students in VL-BERT's layout have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The origin of a student's parameter."""

    names: tuple[str, ...]
    """Tensors of the checkpoint, without the layout's prefix, stacked along the first dimension."""
    rows: tuple[int, ...] | Literal["all", "first", "words", "one"] = "all"
    """Rows taken: these, all, as many as the student has, the vocabulary's, or the row `row` as a vector."""
    row: int = 0


def layout_of(names: Collection[str]) -> tuple[Layout, str] | None:
    """Return the layout of a checkpoint with these names, and its prefix; None if the layout is unknown."""
    if _OWN_PROBE in names:
        return "own", ""
    prefix = next((name.removesuffix(_PROBE) for name in names if name.endswith(_PROBE)), None)
    if prefix is None:
        return None
    if f"{prefix}embedding_LayerNorm.weight" in names:
        return "vl_bert", prefix
    if f"{prefix}embeddings.word_embeddings.weight" not in names:
        return None
    return ("uniter" if f"{prefix}img_embeddings.img_linear.weight" in names else "bert"), prefix


def inner_names(names: Collection[str], layout: Layout, prefix: str) -> dict[str, str]:
    """Return a checkpoint's names without their prefix -> its own; those of other parts of a model are left out."""
    found = {name.removeprefix(prefix): name for name in names if name.startswith(prefix)}
    outer = prefix.removesuffix("_module.").removesuffix("vlbert.")
    if layout == "vl_bert":
        found |= {name.removeprefix(outer): name for name in names if name.startswith(outer) and prefix not in name}
    return found


def sources(layout: Layout, wanted: Collection[str], num_types: int) -> dict[str, Source]:
    """Student name -> its origin, for a student of parameters `wanted`; `num_types`: segments of the checkpoint."""
    num_layers = sum(name.startswith("encoder.blocks.") and name.endswith(".qkv.weight") for name in wanted)
    if _VL_BERT_PROBE in wanted:
        embeddings = _vl_bert_from(layout, num_types)
    else:
        embeddings = {"bert": _bert, "uniter": _uniter, "vl_bert": _vl_bert}[layout](num_types)
    blocks = {target: source for number in range(num_layers) for target, source in _block(number).items()}
    return embeddings | blocks | _layer("head.layers.0", "pooler.dense")


def type_name(layout: Layout) -> str:
    """Name of the segment vectors in a layout."""
    return "token_type_embeddings.weight" if layout == "vl_bert" else "embeddings.token_type_embeddings.weight"


def current(name: str) -> str:
    """Return a name as newer files write it."""
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")


def _layer(target: str, *names: str) -> dict[str, Source]:
    return {f"{target}.{part}": Source(names=tuple(f"{name}.{part}" for name in names)) for part in ("weight", "bias")}


def _block(number: int) -> dict[str, Source]:
    ours, theirs = f"encoder.blocks.{number}", f"encoder.layer.{number}"
    attention = f"{theirs}.attention"
    return {
        **_layer(f"{ours}.qkv", *(f"{attention}.self.{name}" for name in ("query", "key", "value"))),
        **_layer(f"{ours}.out", f"{attention}.output.dense"),
        **_layer(f"{ours}.attention_norm", f"{attention}.output.LayerNorm"),
        **_layer(f"{ours}.up", f"{theirs}.intermediate.dense"),
        **_layer(f"{ours}.down", f"{theirs}.output.dense"),
        **_layer(f"{ours}.norm", f"{theirs}.output.LayerNorm"),
    }


def _text(prefix: str, norm: str, segments: tuple[int, ...]) -> dict[str, Source]:
    text = "encoder.text_embedding"
    return {
        WORDS: Source(names=(f"{prefix}word_embeddings.weight",), rows="words"),
        f"{text}.positions.weight": Source(names=(f"{prefix}position_embeddings.weight",), rows="first"),
        f"{text}.segments.weight": Source(names=(f"{prefix}token_type_embeddings.weight",), rows=segments),
        **_layer(f"{text}.norm", norm),
    }


def _bert(_: int) -> dict[str, Source]:
    # Answer and rationale are the second text of BERT's pairs. It has no image: that half starts fresh.
    return _text("embeddings.", "embeddings.LayerNorm", (0, 1, 1, 1))


def _uniter(num_types: int) -> dict[str, Source]:
    # UNITER has type 1 for images, and starts answer and rationale as copies of type 0 where they have none yet.
    segments = (0, 1, 2, 3) if num_types >= 4 else (0, 1, 0, 0)
    regions, image = "encoder.region_embedding", "img_embeddings"
    return {
        **_text("embeddings.", "embeddings.LayerNorm", segments),
        **_layer(f"{regions}.features", f"{image}.img_linear"),
        **_layer(f"{regions}.features_norm", f"{image}.img_layer_norm"),
        **_layer(f"{regions}.boxes", f"{image}.pos_linear"),
        **_layer(f"{regions}.boxes_norm", f"{image}.pos_layer_norm"),
        **_layer(f"{regions}.norm", f"{image}.LayerNorm"),
        f"{regions}.segment": Source(names=("embeddings.token_type_embeddings.weight",), rows="one", row=1),
    }


def _vl_bert(_: int) -> dict[str, Source]:
    # Types: 0 first text, 1 second text, 2 objects. Its boxes enter before the trunk, so ours start fresh.
    regions = "encoder.region_embedding"
    return {
        **_text("", "embedding_LayerNorm", (0, 2, 1, 1)),
        **_layer(f"{regions}.features", "visual_1x1_object"),
        **_layer(f"{regions}.features_norm", "visual_ln_object"),
        **_layer(f"{regions}.norm", "embedding_LayerNorm"),
        f"{regions}.segment": Source(names=("token_type_embeddings.weight",), rows="one", row=2),
    }


def _vl_bert_from(layout: Layout, num_types: int) -> dict[str, Source]:
    # A student in VL-BERT's layout. From another model regions start with the type of its images or of its first text.
    if layout != "vl_bert":
        segments = (0, 1, 0) if layout == "bert" else (0, 2 if num_types >= 4 else 0, 1)
        return _text("embeddings.", "embeddings.LayerNorm", segments)
    regions = "encoder.region_embedding"
    return {
        **_text("", "embedding_LayerNorm", (0, 1, 2)),
        **_layer(f"{regions}.features", "image_feature_extractor.obj_downsample.1"),
        **_layer(f"{regions}.text_norm", "visual_ln_text"),
        **_layer(f"{regions}.region_norm", "visual_ln_object"),
        f"{regions}.word.weight": Source(names=("object_linguistic_embeddings.weight",)),
        f"{regions}.end.weight": Source(names=("end_embedding.weight",)),
    }
