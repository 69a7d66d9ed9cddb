"""Lets torchvision be imported where its compiled operators do not fit the installed torch.

A CUDA build of torchvision beside a CPU build of torch cannot load its operators, and its Python side then fails on
import ("operator torchvision::nms does not exist"), taking timm, open_clip and transformers' models with it. We use
none of these operators, so declaring the two schemas that the import asks for is enough. Every module of
`trainables` that imports one of those packages calls `declare_missing_ops` first.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_declared: list[Any] = []  # keeps the library alive: its schemas vanish with it


def declare_missing_ops() -> None:
    """Declare `torchvision::nms` and `qnms` if torch has no CUDA and torchvision was built for it; else do nothing.

    Must run before torchvision's first import. Calling it again is free.
    """
    import torch

    if _declared or torch.version.cuda is not None or not _is_cuda_build():
        return
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS:
        library.define(schema)
    _declared.append(library)


def _is_cuda_build() -> bool:
    """Read torchvision's build tag from its version file, without importing it."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return False
    version_file = Path(spec.origin).with_name("version.py")
    if not version_file.is_file():
        return False
    return re.search(r"__version__\s*=\s*['\"][^'\"]*\+cu", version_file.read_text()) is not None
