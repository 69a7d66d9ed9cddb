"""Tokenizers of transformers from local folders. Nothing in a folder is executed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from typing import Literal

from torch import Tensor

from ablative.trainables.strangers import parsing
from ablative.trainables.teachers.errors import TeacherError
from ablative.trainables.torchvision_ops import declare_missing_ops

LOCAL = {"local_files_only": True, "trust_remote_code": False}
"""How everything in a folder is read."""
PADDING = -1
"""Id that fills the positions behind the end of a text, for `marked` padding."""


def quiet_transformers() -> Any:
    """Return the module transformers, silenced about what it loads."""
    declare_missing_ops()
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers


class FolderTokenizer:
    """A fast tokenizer with the interface of open_clip's (`ablative.trainables.teachers.words`)."""

    tokenizer_mode = ""

    def __init__(
        self,
        setting: str,
        folder: Path,
        most: int,
        *,
        padding: Literal["longest", "max_length"] = "longest",
        marked: bool = False,
    ) -> None:
        """`most`: positions that the tower has. Raises TeacherError, naming the setting, if there is no tokenizer."""
        transformers = quiet_transformers()
        remedy = "save a fast tokenizer to it (tokenizer.json)"
        with parsing(f"{setting}: no tokenizer can be read from {folder}", remedy, TeacherError):
            self.tokenizer: Any = transformers.AutoTokenizer.from_pretrained(str(folder), **LOCAL)
        if not self.tokenizer.is_fast:
            raise TeacherError(f"{setting}: {type(self.tokenizer).__name__} of {folder} is not fast; {remedy}")
        if self.tokenizer.pad_token is None:  # nobody reads these positions
            self.tokenizer.pad_token = self.tokenizer.eos_token or self.tokenizer.unk_token
        self.tokenizer.padding_side = "right"
        self.context_length = min(most, self.tokenizer.model_max_length)
        self._padding = padding
        self._marked = marked

    @staticmethod
    def clean_fn(text: str) -> str:
        """Return the text itself: spans refer to it."""
        return text

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Return (B, L) ids; a text that is too long loses its end."""
        read = self.tokenizer(
            list(texts),
            padding=self._padding,
            truncation=True,
            max_length=self.context_length,
            return_attention_mask=True,
            return_tensors="pt",
        )
        ids_BL: Tensor = read["input_ids"]
        return ids_BL.masked_fill(read["attention_mask"] == 0, PADDING) if self._marked else ids_BL
