"""The student: one transformer over text tokens and the visible rows of an image (UNITER, arXiv 1909.11740).

Dimensions: B sequences, L text tokens, R regions (the whole image first), F region feature width, S student width, I
pictures (sequences of one picture lie side by side), V rows seen, the whole image first.

Post-norm blocks as in BERT. In small students a token that names a region also carries that region's embedding (as
VL-BERT does), which grounds tags such as "[person 1]". That embedding comes out of a layer norm, ten to twenty times
as long as the word's vector, and would drown it; so it is scaled to the word's length. UNITER itself has no such term.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend
from torch.nn.attention import sdpa_kernel

from ablative.trainables.students.patches import PATCH_SIZE
from ablative.trainables.students.patches import PatchEmbedding
from ablative.trainables.students.patches import RawPatches
from ablative.trainables.students.patches import region_means
from ablative.trainables.students.transformer_preset import TransformerPreset
from ablative.trainables.students.trunks import Trunk
from ablative.trainables.students.word_vectors import VOCABULARY_SIZE
from ablative.trainables.students.word_vectors import WORD_WIDTH
from ablative.trainables.students.word_vectors import minilm_word_vectors
from ablative.trainables.vision.pixels import PICTURE_SIZE

NUM_SEGMENTS = 4  # query, image, answer, rationale
IMAGE_SEGMENT = 1
BOX_WIDTH = 7
RAW_GRID = (PICTURE_SIZE // PATCH_SIZE, PICTURE_SIZE // PATCH_SIZE)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentBatch:
    """Inputs of B sequences."""

    ids_BL: torch.Tensor
    segments_BL: torch.Tensor
    references_BL: torch.Tensor
    """Row in `regions` that a token names (the whole image is row 0), or -1."""
    text_mask_BL: torch.Tensor
    """True where there is a token."""
    regions_BRF: torch.Tensor
    """In the precision that they are stored in."""
    boxes_BR7: torch.Tensor
    """x1, y1, x2, y2, width, height, area, all relative to the image."""
    region_mask_BR: torch.Tensor
    pixels_I3HW: torch.Tensor | None = None
    """uint8, for students that read pictures."""
    nudge_BLS: torch.Tensor | None = None
    """Added to the word vectors in adversarial training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The part of an image that a student sees."""

    named_BRS: torch.Tensor
    """Regions that text may refer to."""
    rows_BVS: torch.Tensor
    """Rows of the sequence."""
    mask_BV: torch.Tensor


class WordEmbedding(nn.Module):
    """Word vectors: MiniLM's, frozen and projected, or learned at full width."""

    def __init__(self, preset: TransformerPreset, num_words: int) -> None:
        super().__init__()
        if preset.frozen_words:
            self.register_buffer("vectors", minilm_word_vectors(), persistent=False)
            self.project: nn.Module = nn.Linear(WORD_WIDTH, preset.width)
        else:
            self.vectors = nn.Parameter(torch.randn(num_words, preset.width) * 0.02)
            self.project = nn.Identity()

    def words(self, batch: StudentBatch) -> torch.Tensor:
        """(B, L, S)."""
        words_BLS: torch.Tensor = self.project(F.embedding(batch.ids_BL, self.vectors))
        return words_BLS if batch.nudge_BLS is None else words_BLS + batch.nudge_BLS


class TextEmbedding(WordEmbedding):
    """Word, position and segment vectors."""

    def __init__(self, preset: TransformerPreset, dropout: float, num_words: int, tags: str) -> None:
        super().__init__(preset, num_words)
        self.tags = tags
        self.positions = nn.Embedding(preset.longest_text, preset.width)
        self.segments = nn.Embedding(NUM_SEGMENTS, preset.width)
        self.norm = nn.LayerNorm(preset.width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, batch: StudentBatch, regions_BRS: torch.Tensor) -> torch.Tensor:
        """(B, L, S)."""
        length = batch.ids_BL.shape[1]
        words_BLS = self.words(batch)
        total = words_BLS + self.positions.weight[:length] + self.segments(batch.segments_BL)
        if self.tags != "none":
            total = total + self._named(batch.references_BL, words_BLS, regions_BRS)
        return self.dropout(self.norm(total))

    def _named(self, references_BL: torch.Tensor, words_BLS: torch.Tensor, regions_BRS: torch.Tensor) -> torch.Tensor:
        """(B, L, S): what each token carries from the region that it names, zeros if it names none."""
        named_BL1 = (references_BL >= 0).unsqueeze(-1)
        rows_BLS = references_BL.clamp_min(0).unsqueeze(-1).expand(-1, -1, regions_BRS.shape[-1])
        named_BLS = regions_BRS.gather(1, rows_BLS) * named_BL1
        if self.tags == "unscaled":
            return named_BLS
        return F.normalize(named_BLS, dim=-1) * words_BLS.detach().norm(dim=-1, keepdim=True)


class RegionEmbedding(nn.Module):
    """Region features with their 7-d position."""

    def __init__(self, preset: TransformerPreset, region_width: int, dropout: float) -> None:
        super().__init__()
        self.features = nn.Linear(region_width, preset.width)
        self.features_norm = nn.LayerNorm(preset.width)
        self.boxes = nn.Linear(BOX_WIDTH, preset.width)
        self.boxes_norm = nn.LayerNorm(preset.width)
        self.segment = nn.Parameter(torch.zeros(preset.width))
        self.norm = nn.LayerNorm(preset.width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, regions_BRF: torch.Tensor, boxes_BR7: torch.Tensor) -> torch.Tensor:
        """(B, R, S)."""
        seen = self.features_norm(self.features(regions_BRF.to(boxes_BR7.dtype)))
        placed = self.boxes_norm(self.boxes(boxes_BR7))
        return self.dropout(self.norm(seen + placed + self.segment))


def _kernel(q: torch.Tensor) -> AbstractContextManager[None]:
    """In bfloat16 on a CPU, the backward pass of fused attention takes three times as long as plain (torch 2.13)."""
    slow = q.device.type == "cpu" and q.dtype == torch.bfloat16 and q.requires_grad
    return sdpa_kernel(SDPBackend.MATH) if slow else nullcontext()


class Block(nn.Module):
    """Post-norm transformer block."""

    def __init__(self, preset: TransformerPreset, dropout: float) -> None:
        super().__init__()
        self.num_heads = preset.num_heads
        self.rate = dropout
        self.qkv = nn.Linear(preset.width, 3 * preset.width)
        self.out = nn.Linear(preset.width, preset.width)
        self.attention_norm = nn.LayerNorm(preset.width)
        self.up = nn.Linear(preset.width, preset.hidden)
        self.down = nn.Linear(preset.hidden, preset.width)
        self.norm = nn.LayerNorm(preset.width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: torch.Tensor, mask_B11T: torch.Tensor) -> torch.Tensor:
        """states (B, T, S) over text and regions together; mask True where attention may look."""
        B, T, S = states.shape
        q, k, v = self.qkv(states).view(B, T, 3, self.num_heads, S // self.num_heads).permute(2, 0, 3, 1, 4)
        rate = self.rate if self.training else 0.0
        with _kernel(q):
            seen = F.scaled_dot_product_attention(q, k, v, attn_mask=mask_B11T, dropout_p=rate)
        seen = self.out(seen.transpose(1, 2).reshape(B, T, S))
        states = self.attention_norm(states + self.dropout(seen))
        return self.norm(states + self.dropout(self.down(F.gelu(self.up(states)))))


class Transformer(nn.Module):
    """Blocks over one sequence of text tokens and rows of an image; a subclass embeds both.

    Fresh weights are drawn in the order of the parts, which a subclass keeps: records of earlier trials depend on it.
    """

    width: int
    blocks: nn.ModuleList

    def compile_blocks(self) -> None:
        """Let torch.compile make code for the blocks on their first run; one block's code serves all of them.

        Later students use it too. Compiling a whole step would be faster still, but torch 2.13 fails if both text and
        regions vary in length.
        """
        for block in self.blocks:
            block.compile()

    def states(self, embedded_BTS: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
        """(B, T, S); mask True where attention may look."""
        for block in self.blocks:
            embedded_BTS = block(embedded_BTS, mask_BT[:, None, None, :])
        return embedded_BTS


class SingleStream(Transformer):
    """Cross-modal encoder: states of text tokens and of the rows seen."""

    def __init__(
        self,
        preset: TransformerPreset,
        region_width: int,
        dropout: float,
        *,
        num_words: int = VOCABULARY_SIZE,
        visual_input: str = "regions",
        tags: str = "",
        trunk: Trunk | None = None,
    ) -> None:
        """With a `trunk`, regions are means over its map and `region_width` does not matter.

        `tags`: what a token carries from the region that it names (`none`, `scaled`, `unscaled`); empty: as in the
        preset.
        """
        super().__init__()
        self.width = preset.width
        if visual_input != "patches":
            self.region_embedding = RegionEmbedding(preset, trunk.width if trunk else region_width, dropout)
        self.text_embedding = TextEmbedding(preset, dropout, num_words, tags or preset.tags)
        self.blocks = nn.ModuleList(Block(preset, dropout) for _ in range(preset.num_layers))
        if visual_input != "regions":
            features, grid = (trunk.width, trunk.grid) if trunk else (RawPatches.width, RAW_GRID)
            self.patch_embedding = PatchEmbedding(features, grid, preset.width, dropout)
            self.grid = grid
        self.apply(initialise)
        self.trunk: nn.Module | None = trunk or (RawPatches() if visual_input != "regions" else None)
        self.visual_input = visual_input
        self.has_trunk = trunk is not None

    def forward(self, batch: StudentBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """Text states (B, L, S), the first being h_cls, and states seen (B, V, S), the first the whole image."""
        seen = self._seen(batch)
        text_BLS = self.text_embedding(batch, seen.named_BRS)
        states = self.states(
            torch.cat([text_BLS, seen.rows_BVS], dim=1), torch.cat([batch.text_mask_BL, seen.mask_BV], dim=1)
        )
        length = batch.ids_BL.shape[1]
        return states[:, :length], states[:, length:]

    def region_states(self, seen_BVS: torch.Tensor, batch: StudentBatch) -> torch.Tensor:
        """Return (B, R, S) of each region, the whole image first: its row, or the mean of its patches' states."""
        if self.visual_input != "patches":
            return seen_BVS[:, : batch.boxes_BR7.shape[1]]
        regions_BRS = region_means(seen_BVS[:, 1:].unflatten(1, self.grid), batch.boxes_BR7[..., :4])
        return torch.cat([seen_BVS[:, :1], regions_BRS[:, 1:].to(seen_BVS.dtype)], dim=1)

    def _seen(self, batch: StudentBatch) -> Seen:
        if self.trunk is None:
            return self._regions(batch, batch.regions_BRF)
        assert batch.pixels_I3HW is not None, "a student that reads pictures was given none"
        map_IPQF = self.trunk(batch.pixels_I3HW)
        copies = batch.ids_BL.shape[0] // batch.pixels_I3HW.shape[0]  # torch.export takes `len` as a constant
        boxes_IR4 = batch.boxes_BR7[::copies, :, :4]
        regions_BRF = batch.regions_BRF
        if self.has_trunk and self.visual_input != "patches":
            regions_BRF = region_means(map_IPQF, boxes_IR4).repeat_interleave(copies, dim=0)
        if self.visual_input == "regions":
            return self._regions(batch, regions_BRF)
        patches_IPQS = self.patch_embedding(map_IPQF)
        patches_BVS = patches_IPQS.flatten(1, 2).repeat_interleave(copies, dim=0)
        if self.visual_input == "both":
            regions = self._regions(batch, regions_BRF)
            return _joined(regions.named_BRS, regions.rows_BVS, regions.mask_BV, patches_BVS)
        named_BRS = region_means(patches_IPQS, boxes_IR4).repeat_interleave(copies, dim=0)
        return _joined(named_BRS, named_BRS[:, :1], batch.region_mask_BR[:, :1], patches_BVS)

    def _regions(self, batch: StudentBatch, regions_BRF: torch.Tensor) -> Seen:
        regions_BRS = self.region_embedding(regions_BRF, batch.boxes_BR7)
        return Seen(named_BRS=regions_BRS, rows_BVS=regions_BRS, mask_BV=batch.region_mask_BR)


def _joined(named_BRS: torch.Tensor, rows_BVS: torch.Tensor, mask_BV: torch.Tensor, patches_BVS: torch.Tensor) -> Seen:
    """All patches are seen, behind the rows given."""
    everywhere = mask_BV.new_ones(patches_BVS.shape[:2])
    return Seen(
        named_BRS=named_BRS,
        rows_BVS=torch.cat([rows_BVS, patches_BVS], dim=1),
        mask_BV=torch.cat([mask_BV, everywhere], dim=1),
    )


def initialise(module: nn.Module) -> None:
    """Draw fresh weights as BERT does; for `nn.Module.apply`."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
