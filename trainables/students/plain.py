"""A single-stream transformer as one readable file of plain PyTorch, from which an exported student is loaded.

The file is assembled from the sources of our own modules, so each of them has one home.
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import nn

from ablative.trainables.config import StudentConfig
from ablative.trainables.parts.student import Preset
from ablative.trainables.students import patches
from ablative.trainables.students import single_stream
from ablative.trainables.students.heads import ClassifierHead
from ablative.trainables.students.single_stream import SingleStream
from ablative.trainables.students.student import StudentModule
from ablative.trainables.students.student import StudentStates
from ablative.trainables.students.transformer_preset import TransformerPreset

_HEAD = '''"""The exported student in plain PyTorch: torch and safetensors are all it needs.

    from modeling import StudentBatch, load
    student = load(".")
    states = student(StudentBatch(...))      # README.md says what goes in
    states.logits
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from typing import Literal

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend
from torch.nn.attention import sdpa_kernel

'''
_WORDS = '''def minilm_word_vectors() -> torch.Tensor:
    """(words, width) room for the frozen word vectors, which lie among the weights."""
    return torch.zeros(VOCABULARY_SIZE, WORD_WIDTH)
'''
_CONSTANTS = ("PATCH_SIZE", "NUM_SEGMENTS", "BOX_WIDTH", "RAW_GRID", "VOCABULARY_SIZE", "WORD_WIDTH")
_PARTS = (
    Preset,
    TransformerPreset,
    single_stream.StudentBatch,
    single_stream.Seen,
    StudentStates,
    patches.RawPatches,
    patches.PatchEmbedding,
    patches.region_means,
    patches._overlap,
    single_stream.WordEmbedding,
    single_stream.TextEmbedding,
    single_stream.RegionEmbedding,
    single_stream._kernel,
    single_stream.Block,
    single_stream.Transformer,
    single_stream.SingleStream,
    single_stream._joined,
    single_stream.initialise,
    ClassifierHead,
    StudentModule,
)


def load(folder: str | Path) -> StudentModule:
    """Return the student in `folder`, in evaluation mode."""
    about = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
    shape = about["shape"]
    preset = TransformerPreset(**shape["preset"])
    encoder = SingleStream(
        preset,
        about["region_width"],
        shape["dropout"],
        num_words=shape["num_words"],
        visual_input=shape["visual_input"],
        tags=shape["tags"],
    )
    student = StudentModule(encoder, ClassifierHead(preset.width, shape["num_outputs"], 0.0))
    tensors = load_file(Path(folder) / "model.safetensors")
    buffers = dict(student.named_buffers())
    for name in tensors.keys() - student.state_dict().keys():
        buffers[name].copy_(tensors.pop(name))  # the frozen word vectors
    student.load_state_dict(tensors)
    for name, part in student.named_modules():
        if isinstance(part, nn.LayerNorm):
            part.eps = about["norm_eps"].get(name, part.eps)
    return student.eval()


def plain_source() -> str:
    """Return the file."""
    constants = "\n".join(f"{name} = {vars(single_stream)[name]!r}" for name in _CONSTANTS)
    parts = "\n\n".join(inspect.getsource(part) for part in (*_PARTS, load))
    return f"{_HEAD}{constants}\n\n\n{_WORDS}\n\n{parts}"


def shape_of(settings: StudentConfig, student: Any) -> dict[str, Any]:
    """Return the values from which `load` builds the student."""
    preset = settings.part.presets[settings.preset]
    vectors = student.encoder.text_embedding.vectors
    return {
        "preset": {name: getattr(preset, name) for name in type(preset).__dataclass_fields__},
        "dropout": settings.dropout,
        "num_words": len(vectors),
        "visual_input": settings.visual_input,
        "tags": settings.part.tags(settings),
        "num_outputs": student.head.layers[-1].out_features,
    }
