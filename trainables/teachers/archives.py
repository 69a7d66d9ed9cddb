"""Reads weights from a TorchScript archive, the form in which OpenAI distributes CLIP, without running any of it.

`torch.jit.load` would compile the archive's code and run it on loading. This module reads tensors only. It opens the
pickle of the modules with an unpickler that knows tensors and reads every module as a bare record of its attributes.
It rejects anything else. Seen with archives of torch 2; OpenAI's own come from torch 1.7 and have the same layout
(`data.pkl`, one file per storage below `data/`).
"""

from __future__ import annotations

import io
import pickle
import pickletools
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ablative.trainables.torch_zip import require_whole

SIZES_OF_OPENAI = ("input_resolution", "context_length", "vocab_size")
"""Numbers that OpenAI's archives hold beside the weights."""
_NO_WEIGHT = (*SIZES_OF_OPENAI, "attn_mask")
_MOST_MODULES = 100_000
_DEEPEST = 50
_MODULE_PREFIX = "__torch__."
_STORAGES = {
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "BoolStorage": torch.bool,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """The contents of a TorchScript archive."""

    weights: dict[str, Tensor]
    """Named as in the module's `state_dict`."""
    quick_gelu: bool
    """Whether its modules use QuickGELU; always so in OpenAI's archives."""


def is_archive(path: Path) -> bool:
    """Whether a file is a TorchScript archive, and not a state dict."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as file:
        return any(name.endswith("/constants.pkl") for name in file.namelist())


def read_archive(path: Path) -> Archive:
    """Read the tensors of a TorchScript archive.

    Raises:
        pickle.UnpicklingError: it holds something other than modules, tensors and plain values.
        zipfile.BadZipFile: it is not whole. Other kinds are raised for other damage.
    """
    require_whole(path)
    with zipfile.ZipFile(path) as file:
        reader = _Reader(file)
        found = dict(_tensors(reader.load(), ""))
    openai = all(name in found for name in SIZES_OF_OPENAI)
    weights = {name: value for name, value in found.items() if name.rpartition(".")[2] not in _NO_WEIGHT}
    return Archive(weights=weights, quick_gelu=openai or any("QuickGELU" in kind for kind in reader.module_kinds))


class _Module:
    """A module of the archive: its attributes, without behaviour."""

    def __init__(self) -> None:
        self.attributes: dict[str, Any] = {}

    def __setstate__(self, state: object) -> None:
        self.attributes = state if isinstance(state, dict) else {}


def _tensors(module: object, prefix: str) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a module and of those inside it; a module that is shared has several names."""
    waiting, count = [(prefix, module)], 0
    while waiting:
        prefix, module = waiting.pop()
        count += 1
        if count > _MOST_MODULES or prefix.count(".") > _DEEPEST:  # a few bytes can claim that a module holds itself
            raise pickle.UnpicklingError(f"more than {_MOST_MODULES:,} modules, or {_DEEPEST} inside one another")
        for name, value in module.attributes.items() if isinstance(module, _Module) else ():
            if isinstance(value, Tensor):
                yield f"{prefix}{name}", value
            elif isinstance(value, _Module):
                waiting.append((f"{prefix}{name}.", value))


class _Reader(pickle.Unpickler):
    """Reads `data.pkl`; the storages that its tensors name are read once each."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file
        self._root = next(name for name in file.namelist() if name.endswith("/data.pkl")).removesuffix("data.pkl")
        self._storages: dict[str, Tensor] = {}
        self.module_kinds: set[str] = set()
        super().__init__(io.BytesIO(_require_short_memo(self._read("data.pkl"))))

    def find_class(self, module: str, name: str) -> Any:
        """Give a harmless stand-in for each name that a pickle of modules may use."""
        if module.startswith(_MODULE_PREFIX):
            self.module_kinds.add(name)
            return _Module
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _strided
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch.jit._pickle" and name.startswith("build_") and name.endswith("list"):
            return list
        raise pickle.UnpicklingError(f"{module}.{name} in a TorchScript archive; wanted modules and tensors only")

    def persistent_load(self, pid: Any) -> Tensor:
        """Read a storage as one flat tensor."""
        _, dtype, key, _, _ = pid
        if key not in self._storages:
            content = bytearray(self._read(f"data/{key}"))
            self._storages[key] = torch.frombuffer(content, dtype=dtype) if content else torch.empty(0, dtype=dtype)
        return self._storages[key]

    def _read(self, name: str) -> bytes:
        return self._file.read(self._root + name)


def _require_short_memo(pickled: bytes) -> bytes:
    """Return a pickle whose memo is no longer than itself; the unpickler would allocate as much as an index claims."""
    for code, argument, _ in pickletools.genops(pickled):
        if "PUT" in code.name and isinstance(argument, int) and argument > len(pickled):
            raise pickle.UnpicklingError(f"entry {argument} of a memo in {len(pickled):,} bytes")
    return pickled


def _strided(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object) -> Tensor:
    return torch.as_strided(storage, size, stride, offset)
