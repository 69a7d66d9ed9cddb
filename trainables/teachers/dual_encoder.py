"""A frozen pair of towers: images, sentences and words become unit vectors.

Dimensions: B images or texts, P patches, N words, D joint width, F width of the image trunk.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import TypeVar

import torch
from PIL import Image
from torch import Tensor
from torch import nn
from torch.nn.functional import normalize

from ablative.trainables.side_by_side import side_by_side
from ablative.trainables.teachers.image_tower import read_patches
from ablative.trainables.teachers.region_features import Window
from ablative.trainables.teachers.region_features import whole_picture
from ablative.trainables.teachers.text_tower import read_tokens
from ablative.trainables.teachers.words import Passage
from ablative.trainables.teachers.words import cleaned_text
from ablative.trainables.teachers.words import locate_words
from ablative.trainables.teachers.words import positions_of_words
from ablative.trainables.teachers.words import shorten
from ablative.trainables.teachers.words import token_spans
from ablative.trainables.teachers.words import words_of

Batch = TypeVar("Batch")
Made = TypeVar("Made")

_TEXT_BATCH = 64
_IMAGE_BATCH = {"cpu": 4, "cuda": 128}
"""Small on a CPU: larger activations miss its cache (twice the time at 32, measured with the bundled teacher)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFeatures:
    """The teacher's vectors for some texts."""

    sentences_BD: Tensor
    words: tuple[Tensor, ...]
    """(N, D) unit states of each text's words in their sentence."""


class DualEncoder(nn.Module):
    """A model with its tokenizer and preprocessing, frozen, and always in eval mode."""

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Any,
        preprocess: Callable[[Image.Image], Tensor],
        *,
        read_tokens: Callable[[Any, Tensor], tuple[Tensor, Tensor]] = read_tokens,
        read_patches: Callable[[Any, Tensor], Tensor] = read_patches,
        region_trunk: bool = False,
        window: Callable[[tuple[int, int]], Window] = whole_picture,
    ) -> None:
        """`model` has `encode_image` and `logit_scale`; `tokenizer` has the interface of open_clip's.

        `read_tokens`, `read_patches`: see those for open_clip's towers (`text_tower`, `image_tower`). `region_trunk`:
        the image tower has the trunk and pixels of `trainables.vision.regions`. `window`: the part of a picture that
        `preprocess` lets the image tower see, of the picture's width and height.
        """
        super().__init__()
        self._read_tokens, self._read_patches = read_tokens, read_patches
        self._region_trunk = region_trunk
        self.window = window
        """Which rectangle, relative to the picture, the patches of a picture of a size cover."""
        self.model: Any = model.requires_grad_(False)
        self.tokenizer = tokenizer
        self.preprocess = preprocess
        self._isolated: dict[str, Tensor] = {}
        self.train(False)

    def train(self, mode: bool = True) -> DualEncoder:
        """Stay in eval mode: batch statistics and dropout must not follow the student's mode."""
        super().train(False)
        return self

    @property
    def width(self) -> int:
        """Width of the joint space; without one, of the wider side."""
        return max(self.encode_texts(["a"]).shape[1], getattr(self.model, "image_width", 0))

    @property
    def logit_scale(self) -> float:
        """Factor of the cosines in the contrastive softmax (1 / temperature)."""
        return float(self.model.logit_scale.exp().mean())

    @property
    def device(self) -> torch.device:
        """The model's device; features come back on the CPU."""
        device: torch.device = self.model.logit_scale.device
        return device

    @torch.no_grad()
    def encode_images(self, images: Sequence[Image.Image]) -> Tensor:
        """Return (B, D) unit embeddings."""
        size = _IMAGE_BATCH.get(self.device.type, 32)
        batches = [images[start : start + size] for start in range(0, len(images), size)]
        return torch.cat([*self._on_all_cores(self._images, batches)])

    def embedded(self, images: Sequence[Image.Image], texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return (B, D) and (K, D) unit embeddings on the model's device, each in one batch and with gradients."""
        ids_KL = self.tokenizer([shorten(self.tokenizer, _passage(text))[0] for text in texts]).to(self.device)
        images_BD, texts_KD = self.model.encode_image(self._pixels(images)), self._read_tokens(self.model, ids_KL)[0]
        return normalize(images_BD, dim=-1), normalize(texts_KD, dim=-1)

    @property
    def reads_region_trunk(self) -> bool:
        """Whether `encode_pooled` on an image's region features, row 0, equals `encode_images` on the image."""
        return self._region_trunk

    @torch.no_grad()
    def encode_patches(self, images: Sequence[Image.Image]) -> list[Tensor]:
        """Return one (P, D) tensor of unit vectors an image, patches row by row (`read_patches`)."""
        size = _IMAGE_BATCH.get(self.device.type, 32)
        parts = [self._pixels(images[start : start + size]) for start in range(0, len(images), size)]
        return [rows for part in parts for rows in normalize(self._read_patches(self.model, part), dim=-1).cpu()]

    @torch.no_grad()
    def encode_pooled(self, pooled_BF: Tensor) -> Tensor:
        """Return (B, D) unit embeddings from the image trunk's pooled features, as `encode_images` gives them.

        Raises:
            TypeError: the image tower is not a timm trunk with average pooling and a projection behind it.
        """
        visual: Any = self.model.visual
        if type(visual).__name__ != "TimmModel" or not len(visual.head):
            raise TypeError(f"pooled features do not determine the embedding of a {type(visual).__name__}")
        return normalize(visual.head(pooled_BF.to(self.device)), dim=-1).cpu()

    def encode_texts(self, texts: Sequence[str | Passage]) -> Tensor:
        """Return (B, D) unit embeddings.

        A text too long for the tower loses its end (in a passage, its query's end).
        """
        return self.read([_passage(text) for text in texts], with_words=False).sentences_BD

    def word_features(self, texts: Sequence[str | Passage], kind: str = "contextual") -> list[Tensor]:
        """Return one (N, D) tensor of unit vectors a text, in the order of `words_of`.

        `contextual`: the word's final states, through the text projection, averaged. `isolated`: the word encoded
        alone, as a sentence. If its sentence has no state for a word (cut off, or changed by the tokenizer's
        cleaning), both give the isolated vector.
        """
        if kind == "isolated":
            return [self.isolated(words_of(_passage(text).text)) for text in texts]
        if kind != "contextual":
            raise ValueError(f"kind of word features: wanted contextual or isolated, found {kind!r}")
        return list(self.read([_passage(text) for text in texts]).words)

    @torch.no_grad()
    def read(self, passages: Sequence[Passage], with_words: bool = True) -> TextFeatures:
        """Encode sentences and, with words, their words in one pass. Texts of similar length share a batch."""
        order = sorted(range(len(passages)), key=lambda i: len(passages[i].text))
        found: dict[int, tuple[Tensor, Tensor]] = {}
        batches = [order[start : start + _TEXT_BATCH] for start in range(0, len(order), _TEXT_BATCH)]
        fitted = [[shorten(self.tokenizer, passages[i]) for i in chosen] for chosen in batches]
        ids = [self.tokenizer([text for text, _ in texts]) for texts in fitted]  # not in threads: it has state
        for chosen, texts, states in zip(batches, fitted, self._on_all_cores(self._states, ids), strict=True):
            whole = [passages[i] for i in chosen]
            found.update(zip(chosen, self._texts(whole, texts, states, with_words), strict=True))
        sentences = [found[i][0] for i in range(len(passages))]
        empty = torch.zeros(0, int(sentences[0].shape[-1]) if sentences else 0)
        return TextFeatures(
            sentences_BD=torch.stack(sentences) if sentences else empty,
            words=tuple(found[i][1] for i in range(len(passages))) if with_words else (),
        )

    def isolated(self, words: Sequence[str]) -> Tensor:
        """Return (N, D) unit vectors of words encoded alone; each distinct word is encoded once."""
        new = [word for word in dict.fromkeys(words) if word not in self._isolated]
        if new:
            sentences = self.read([Passage(query=word) for word in new], with_words=False).sentences_BD
            self._isolated.update(zip(new, sentences, strict=True))
        if not words:
            return self.encode_texts([""])[:0]
        return torch.stack([self._isolated[word] for word in words])

    @torch.no_grad()
    def _images(self, images: Sequence[Image.Image]) -> Tensor:
        return normalize(self.model.encode_image(self._pixels(images)), dim=-1).cpu()

    def _pixels(self, images: Sequence[Image.Image]) -> Tensor:
        pixels = torch.stack([self.preprocess(image.convert("RGB")) for image in images])
        return pixels.to(self.device).contiguous(memory_format=torch.channels_last)

    def _on_all_cores(self, work: Callable[[Batch], Made], batches: Sequence[Batch]) -> Iterator[Made]:
        """Yield the result of `work` for each batch, in order."""
        return side_by_side(work, batches) if self.device.type == "cpu" else map(work, batches)

    @torch.no_grad()
    def _states(self, ids_BL: Tensor) -> tuple[Tensor, Tensor]:
        """Sentences (B, D), of unit length, and tokens (B, L', D)."""
        sentences_BD, tokens_BLD = self._read_tokens(self.model, ids_BL.to(self.device))
        return normalize(sentences_BD, dim=-1).cpu(), tokens_BLD.cpu()

    def _texts(
        self,
        passages: Sequence[Passage],
        fitted: Sequence[tuple[str, int]],
        states: tuple[Tensor, Tensor],
        with_words: bool,
    ) -> list[tuple[Tensor, Tensor]]:
        sentences_BD, tokens_BLD = states
        if not with_words:
            return [(sentence, sentence[None, :][:0]) for sentence in sentences_BD]
        words = [
            self._words(passage, text, kept, states)
            for passage, (text, kept), states in zip(passages, fitted, tokens_BLD, strict=True)
        ]
        return list(zip(sentences_BD, words, strict=True))

    def _words(self, whole: Passage, text: str, kept: int, states_LD: Tensor) -> Tensor:
        """(N, D) features of the words of the whole passage; `text` is the part of it that the tower read."""
        words, query_words = words_of(whole.text), len(words_of(whole.query))
        seen = [*range(kept), *range(query_words, len(words))]
        cleaned = cleaned_text(self.tokenizer, text)
        spans = locate_words([words[i] for i in seen], cleaned)
        room = min(len(states_LD), self.tokenizer.context_length - 1)
        positions = positions_of_words(spans, token_spans(self.tokenizer, cleaned), room)
        found = {i: states_LD[places].mean(0) for i, places in zip(seen, positions, strict=True) if places}
        missing = [i for i in range(len(words)) if i not in found]
        if missing:
            found.update(zip(missing, self.isolated([words[i] for i in missing]), strict=True))
        if not words:
            return states_LD[:0]
        return normalize(torch.stack([found[i] for i in range(len(words))]), dim=-1)


def _passage(text: str | Passage) -> Passage:
    return text if isinstance(text, Passage) else Passage(query=text)
