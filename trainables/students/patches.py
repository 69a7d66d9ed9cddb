"""A picture's patches as rows of the sequence, and regions as means over them.

I pictures, P x Q patches, R regions, F features of a patch, S student width.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

PATCH_SIZE = 32
"""Pixels; ViLT's (arXiv 2102.03334)."""


class RawPatches(nn.Module):
    """The pixels of each patch, scaled to [-1, 1], with nothing learned: ViLT's replacement for a visual trunk."""

    width = 3 * PATCH_SIZE**2

    def forward(self, pixels_I3HW: torch.Tensor) -> torch.Tensor:
        """(I, P, Q, F) of uint8 pixels, P and Q being H and W over the patch size."""
        scaled = pixels_I3HW.float() / 127.5 - 1
        return F.pixel_unshuffle(scaled, PATCH_SIZE).permute(0, 2, 3, 1)


class PatchEmbedding(nn.Module):
    """Patch features with learned row and column vectors (2-d positions)."""

    def __init__(self, features: int, grid: tuple[int, int], width: int, dropout: float) -> None:
        super().__init__()
        self.features = nn.Linear(features, width)
        self.features_norm = nn.LayerNorm(width)
        self.rows = nn.Embedding(grid[0], width)
        self.columns = nn.Embedding(grid[1], width)
        self.segment = nn.Parameter(torch.zeros(width))
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, map_IPQF: torch.Tensor) -> torch.Tensor:
        """(I, P, Q, S)."""
        seen = self.features_norm(self.features(map_IPQF))
        placed = self.rows.weight[:, None] + self.columns.weight[None, :]
        embedded: torch.Tensor = self.dropout(self.norm(seen + placed + self.segment))
        return embedded


def region_means(map_IPQF: torch.Tensor, boxes_IR4: torch.Tensor) -> torch.Tensor:
    """(I, R, F) mean of the map over each relative box, patches weighted by the area they share with it.

    Same as `trainables.vision.pooling.pooled`, with gradients.
    """
    height, width = map_IPQF.shape[1:3]
    rows_IRP = _overlap(boxes_IR4[..., 1] * height, boxes_IR4[..., 3] * height, height)
    columns_IRQ = _overlap(boxes_IR4[..., 0] * width, boxes_IR4[..., 2] * width, width)
    area_IR1 = (rows_IRP.sum(-1) * columns_IRQ.sum(-1)).clamp_min(1e-6).unsqueeze(-1)
    return torch.einsum("irp,irq,ipqf->irf", rows_IRP, columns_IRQ, map_IPQF.float()) / area_IR1


def _overlap(low: torch.Tensor, high: torch.Tensor, count: int) -> torch.Tensor:
    """(I, R, count) length that [low, high) shares with each unit cell; at least a sliver, so that none is empty."""
    cells = torch.arange(count, device=low.device, dtype=low.dtype)
    high = torch.maximum(high, low + 1e-3)
    return (torch.minimum(high[..., None], cells + 1) - torch.maximum(low[..., None], cells)).clamp_min(0)
