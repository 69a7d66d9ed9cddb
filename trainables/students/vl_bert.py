"""VL-BERT's own layout: every element of the sequence is a word and a look (arXiv 1908.08530).

Dimensions: B sequences, L text tokens, R regions (the whole image first), F region feature width, S student width.

- A region's look is its features behind a sinusoidal code of its box, mapped to the student's width.
- A word looks at the region that it names, any other word at the whole image.
- A region's word is one learned vector, the same for all. All regions have the position behind the text, and a closing
  row has the next one.
- Types: 0 the first text, 1 the second, 2 regions and the closing row.

Parameters and formulas are those of github.com/jackroos/VL-BERT (common/visual_linguistic_bert.py,
common/fast_rcnn.py, common/utils/bbox.py). Not taken over: their visual trunk, which they train too, and the masked
word at which their VQA student answers (here the first state answers, as in VCR).
"""

from __future__ import annotations

import torch
from torch import nn

from ablative.trainables.students.single_stream import Block
from ablative.trainables.students.single_stream import StudentBatch
from ablative.trainables.students.single_stream import Transformer
from ablative.trainables.students.single_stream import WordEmbedding
from ablative.trainables.students.single_stream import initialise
from ablative.trainables.students.transformer_preset import TransformerPreset
from ablative.trainables.students.word_vectors import VOCABULARY_SIZE

WAVES = 256
"""Sines, and as many cosines, of each of a box's four numbers."""
TYPES = (0, 2, 1, 1)
"""Segment of ours (query, image, answer, rationale) -> type."""
REGION_TYPE = 2


class VLBertText(WordEmbedding):
    """Word vectors, and the positions, types and norm that all rows of the sequence share."""

    def __init__(self, preset: TransformerPreset, dropout: float, num_words: int) -> None:
        super().__init__(preset, num_words)
        self.positions = nn.Embedding(preset.longest_text + 2, preset.width)
        self.segments = nn.Embedding(len(set(TYPES)), preset.width)
        self.norm = nn.LayerNorm(preset.width)
        self.dropout = nn.Dropout(dropout)

    def placed(self, rows_BTS: torch.Tensor, positions_BT: torch.Tensor, types_BT: torch.Tensor) -> torch.Tensor:
        """(B, T, S)."""
        placed: torch.Tensor = self.norm(rows_BTS + self.positions(positions_BT) + self.segments(types_BT))
        return self.dropout(placed)


class VLBertRegions(nn.Module):
    """The look of regions, and what words and regions make of it."""

    def __init__(self, preset: TransformerPreset, region_width: int, dropout: float) -> None:
        super().__init__()
        self.features = nn.Linear(8 * WAVES + region_width, preset.width)
        self.features_dropout = nn.Dropout(dropout)
        self.text_norm = nn.LayerNorm(preset.width)
        self.region_norm = nn.LayerNorm(preset.width)
        self.word = nn.Embedding(1, preset.width)
        self.end = nn.Embedding(1, preset.width)

    def looks(self, regions_BRF: torch.Tensor, boxes_BR7: torch.Tensor) -> torch.Tensor:
        """(B, R, S), not negative."""
        coded_BRE = box_code(boxes_BR7[..., :4])
        rows = torch.cat([coded_BRE, regions_BRF.to(coded_BRE.dtype)], dim=-1)
        return self.features(self.features_dropout(rows)).relu()

    def rows(self, looks_BRS: torch.Tensor) -> torch.Tensor:
        """(B, R + 1, S): regions, then the closing row."""
        regions_BRS = self.word.weight + self.region_norm(looks_BRS)
        return torch.cat([regions_BRS, self.end.weight.expand(looks_BRS.shape[0], -1, -1)], dim=1)


class VLBert(Transformer):
    """Cross-modal encoder: states of text tokens, and of regions with the closing row behind them."""

    types: torch.Tensor

    def __init__(
        self, preset: TransformerPreset, region_width: int, dropout: float, *, num_words: int = VOCABULARY_SIZE
    ) -> None:
        super().__init__()
        self.width = preset.width
        self.region_embedding = VLBertRegions(preset, region_width, dropout)
        self.text_embedding = VLBertText(preset, dropout, num_words)
        self.blocks = nn.ModuleList(Block(preset, dropout) for _ in range(preset.num_layers))
        self.apply(initialise)
        self.register_buffer("types", torch.tensor(TYPES), persistent=False)

    def forward(self, batch: StudentBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """Text states (B, L, S), the first being h_cls, and (B, R + 1, S) of regions, the whole image first."""
        length, regions = batch.ids_BL.shape[1], batch.regions_BRF.shape[1]
        looks_BRS = self.region_embedding.looks(batch.regions_BRF, batch.boxes_BR7)
        seen_BL1 = batch.references_BL.clamp_min(0).unsqueeze(-1)
        named_BLS = looks_BRS.gather(1, seen_BL1.expand(-1, -1, looks_BRS.shape[-1]))
        text_BLS = self.text_embedding.words(batch) + self.region_embedding.text_norm(named_BLS)
        behind_B1 = batch.text_mask_BL.sum(dim=1, keepdim=True)
        places_BL = torch.arange(length, device=behind_B1.device).expand_as(batch.ids_BL)
        types_BR = torch.full_like(behind_B1, REGION_TYPE).expand(-1, regions + 1)
        embedded_BTS = self.text_embedding.placed(
            torch.cat([text_BLS, self.region_embedding.rows(looks_BRS)], dim=1),
            torch.cat([places_BL, behind_B1.expand(-1, regions), behind_B1 + 1], dim=1),
            torch.cat([self.types[batch.segments_BL], types_BR], dim=1),
        )
        closing_B1 = torch.ones_like(batch.region_mask_BR[:, :1])
        states = self.states(embedded_BTS, torch.cat([batch.text_mask_BL, batch.region_mask_BR, closing_B1], dim=1))
        return states[:, :length], states[:, length:]


def see_nothing_yet(encoder: VLBert) -> None:
    """Start both norms of looks at zero, as VL-BERT starts from BERT: the words first read what BERT read."""
    for norm in (encoder.region_embedding.text_norm, encoder.region_embedding.region_norm):
        nn.init.zeros_(norm.weight)


def box_code(boxes: torch.Tensor) -> torch.Tensor:
    """Return (..., 8 WAVES) of boxes (..., 4) in shares of the image, as x1, y1, x2, y2.

    Centre and size in percent, each divided by WAVES powers of 1000 from 0 to below 1: first the sines, then cosines.
    """
    corners = boxes.unflatten(-1, (2, 2))
    percent = 100 * torch.cat([corners.mean(dim=-2), corners[..., 1, :] - corners[..., 0, :]], dim=-1)
    angles = percent.unsqueeze(-1) / 1000 ** (torch.arange(WAVES, device=boxes.device, dtype=boxes.dtype) / WAVES)
    return torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(-2)
