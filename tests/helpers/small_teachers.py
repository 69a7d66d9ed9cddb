"""A tiny open_clip teacher in a folder of its own, and a tiny data set with pictures for it to read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from ablative.trainables.config import TeacherConfig
from tests.unit.trainables.real_layouts import make_snli_ve
from tests.unit.trainables.real_layouts import snli_ve_row
from tests.unit.trainables.real_layouts import write_lines

VISION = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16}
TEXT = {"context_length": 24, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
WORDS = ("red", "fox", "sits", "stands", "near", "a", "tree", "man", "blue", "car")


def small_teacher(folder: Path, **changes: object) -> TeacherConfig:
    """Write a vision transformer of CLIP's kind with random weights to `folder`; return its configuration."""
    from ablative.trainables.torchvision_ops import declare_missing_ops

    declare_missing_ops()
    import open_clip
    import torch

    folder.mkdir(parents=True)
    shape = {"embed_dim": 16, "vision_cfg": VISION, "text_cfg": TEXT}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": shape, "preprocess_cfg": {}}))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        torch.save(open_clip.CLIP(**shape).state_dict(), folder / "open_clip_pytorch_model.bin")
    return TeacherConfig.model_validate({"model": f"local-dir:{folder}", **changes})


def pictured_snli_ve(folder: Path, *, examples: int = 12, images: int = 5, **fields: object) -> Path:
    """Write SNLI-VE's files with so many training examples of different texts, and small random pictures.

    `fields`: of each row of train, in place of the usual ones.
    """
    make_snli_ve(folder)
    rng = np.random.default_rng(5)
    rows = [
        snli_ve_row(
            f"train-{i}", Flickr30K_ID=str(i % images), sentence2=f"{' '.join(rng.choice(WORDS, 4))} {i}.", **fields
        )
        for i in range(examples)
    ]
    write_lines(folder / "snli_ve_train.jsonl", rows)
    for name in [*map(str, range(images)), "121", "122", "123"]:
        pixels = rng.integers(0, 255, (40, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "flickr30k_images" / f"{name}.jpg", quality=95)
    return folder
