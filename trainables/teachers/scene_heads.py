"""The trained part of `mini_scene_encoder`: small heads on two frozen towers, into one space.

For each cell of two trunk maps, the image head names the thing there and how much of it the cell holds. It then sums
up how many things of each name there are, and where. This is a better source than the student's own region features,
and another one. The text head reads the states of all tokens, each beside the answers that four learned questions find
in the whole text. A text's vector is the mean of its tokens' vectors.

Dimensions: B pictures or texts, P cells of a picture, L tokens, F width of the frozen features, C names of things and
of the background, D joint.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch import nn
from torch.nn.functional import gelu
from torch.nn.functional import softplus

PICTURE_PX = 256
GRID = 8
"""Cells per side in the trunk's last map at 256 px."""
COARSE_WIDTH, FINE_WIDTH = 320, 112
_FINE_BLOCK = 4
"""The trunk's last map with cells half as large; four of these make one cell."""
CELL_WIDTH = COARSE_WIDTH + 4 * FINE_WIDTH
TOKEN_WIDTH = 384
JOINT_WIDTH = 256
_CELL_HIDDEN = 128
_IMAGE_HIDDEN = 512
_TEXT_HIDDEN = 256
_QUESTIONS = 4


class Standard(nn.Module):
    """Frozen features scaled to mean 0 and deviation 1, as measured before training."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))

    def measure(self, rows_NF: Tensor) -> None:
        """Take mean and deviation of some rows."""
        self.mean.copy_(rows_NF.mean(dim=0))
        self.deviation.copy_(rows_NF.std(dim=0).clamp_min(1e-3))

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape."""
        standard: Tensor = (features - self.mean) / self.deviation
        return standard


class CellReader(nn.Module):
    """Names the thing in each cell, and sums up."""

    places: Tensor

    def __init__(self, num_names: int) -> None:
        super().__init__()
        self.standard = Standard(CELL_WIDTH)
        self.enter = nn.Linear(CELL_WIDTH, _CELL_HIDDEN)
        self.name = nn.Linear(_CELL_HIDDEN, num_names)
        self.amount = nn.Linear(_CELL_HIDDEN, 1)
        steps = (torch.arange(GRID) + 0.5) / GRID * 2 - 1
        y, x = torch.meshgrid(steps, steps, indexing="ij")
        places = torch.stack([torch.ones(GRID * GRID), x.flatten(), y.flatten()])
        self.register_buffer("places", places, persistent=False)

    def read(self, cells_BPF: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits of names (B, P, C) and the share of its thing that a cell holds (B, P)."""
        hidden = gelu(self.enter(self.standard(cells_BPF)))
        return self.name(hidden), softplus(self.amount(hidden)).squeeze(-1)

    def forward(self, cells_BPF: Tensor) -> Tensor:
        """Return (B, 3 C): for each name the count, and the sums of the things' places across and down."""
        names_BPC, amounts_BP = self.read(cells_BPF)
        shares_BPC = names_BPC.softmax(dim=-1) * amounts_BP.unsqueeze(-1)
        return torch.einsum("mp,bpc->bmc", self.places, shares_BPC).flatten(1)


class TextHead(nn.Module):
    """From states of tokens to vectors of the joint space.

    A word's meaning is multiplied by its role and by the text's answers: `left of` turns the sign of one word's place,
    and the opposite for the word after it. A sum of the three could not tell these apart.
    """

    def __init__(self) -> None:
        super().__init__()
        self.standard = Standard(TOKEN_WIDTH)
        self.questions = nn.Linear(TOKEN_WIDTH, _QUESTIONS)
        self.meaning = nn.Linear(TOKEN_WIDTH, _TEXT_HIDDEN)
        self.role = nn.Linear(TOKEN_WIDTH, _TEXT_HIDDEN)
        self.context = nn.Linear(_QUESTIONS * TOKEN_WIDTH, _TEXT_HIDDEN)
        self.leave = nn.Linear(_TEXT_HIDDEN, JOINT_WIDTH)

    def hidden(self, states_BLF: Tensor, padding_BL: Tensor) -> Tensor:
        """Return (B, L, hidden); `padding_BL` is true where there is nothing."""
        standard_BLF = self.standard(states_BLF)
        asked_BLQ = self.questions(standard_BLF).masked_fill(padding_BL.unsqueeze(-1), -torch.inf).softmax(dim=1)
        found = torch.einsum("blq,blf->bqf", asked_BLQ, standard_BLF).flatten(1)
        turned = self.role(standard_BLF).tanh() * self.context(found).tanh().unsqueeze(1)
        meant: Tensor = self.meaning(standard_BLF) * turned
        return meant

    def sentence(self, states_BLF: Tensor, padding_BL: Tensor) -> Tensor:
        """Return (B, D): the mean of `forward` over all tokens but padding."""
        kept_BL1 = (~padding_BL).unsqueeze(-1).to(states_BLF.dtype)
        mean = (self.hidden(states_BLF, padding_BL) * kept_BL1).sum(dim=1) / kept_BL1.sum(dim=1)
        placed_BD: Tensor = self.leave(mean)
        return placed_BD

    def forward(self, states_BLF: Tensor, padding_BL: Tensor) -> Tensor:
        """Return (B, L, D), not normalised."""
        placed_BLD: Tensor = self.leave(self.hidden(states_BLF, padding_BL))
        return placed_BLD


class SceneHeads(nn.Module):
    """All heads, and the map from cosines to log-odds that a text is true for a picture."""

    def __init__(self, num_names: int) -> None:
        super().__init__()
        self.cells = CellReader(num_names)
        self.standard = Standard(3 * num_names)
        self.image = nn.Linear(3 * num_names, JOINT_WIDTH)
        self.bent = nn.Sequential(
            nn.Linear(3 * num_names, _IMAGE_HIDDEN),
            nn.GELU(),
            nn.Linear(_IMAGE_HIDDEN, JOINT_WIDTH),
        )
        self.text = TextHead()
        self.logit_scale = nn.Parameter(torch.tensor(15.0).log())
        self.logit_bias = nn.Parameter(torch.tensor(-3.0))

    def picture(self, sums_BS: Tensor) -> Tensor:
        """Return (B, D), not normalised, for sums over cells."""
        standard_BS = self.standard(sums_BS)
        placed_BD: Tensor = self.image(standard_BS) + self.bent(standard_BS)
        return placed_BD


def cells_of(trunk: Any, pixels_B3HW: Tensor) -> Tensor:
    """Return (B, P, F): the channels of each cell of the trunk's last map, and of the four finer cells in it."""
    maps = trunk.bn1(trunk.conv_stem(pixels_B3HW))
    for place, block in enumerate(trunk.blocks):
        maps = block(maps)
        if place == _FINE_BLOCK:
            fine = maps
    count = len(maps)
    coarse_BPF = maps.flatten(2).transpose(1, 2)
    fine = fine.reshape(count, FINE_WIDTH, GRID, 2, GRID, 2).permute(0, 2, 4, 1, 3, 5)
    return torch.cat([coarse_BPF, fine.reshape(count, GRID * GRID, 4 * FINE_WIDTH)], dim=-1)


class SceneTowers(nn.Module):
    """Frozen towers with the heads on them, with the interface that `DualEncoder` needs."""

    def __init__(self, trunk: nn.Module, language: nn.Module, heads: SceneHeads) -> None:
        super().__init__()
        self.trunk, self.language, self.heads = trunk, language, heads

    @property
    def logit_scale(self) -> Tensor:
        """Natural logarithm of the factor of the cosines."""
        return self.heads.logit_scale

    def encode_image(self, pixels_B3HW: Tensor) -> Tensor:
        """Return (B, D), not normalised."""
        placed_BD: Tensor = self.heads.picture(self.heads.cells(cells_of(self.trunk, pixels_B3HW)))
        return placed_BD


def read_scene_cells(model: SceneTowers, pixels_B3HW: Tensor) -> Tensor:
    """Return (B, P, D), not normalised: how much nearer a cell's things bring the picture to what is said of them.

    It is the embedding of a picture in which that cell alone holds something, less that of an empty one: what all
    pictures share would otherwise drown what tells their cells apart.
    """
    reader = model.heads.cells
    names_BPC, amounts_BP = reader.read(cells_of(model.trunk, pixels_B3HW))
    shares_BPC = names_BPC.softmax(dim=-1) * amounts_BP.unsqueeze(-1)
    sums_BPS = torch.einsum("mp,bpc->bpmc", reader.places, shares_BPC).flatten(2)
    cells_BPD: Tensor = model.heads.picture(sums_BPS) - model.heads.picture(torch.zeros_like(sums_BPS))
    return cells_BPD


def read_scene_tokens(model: SceneTowers, ids_BL: Tensor) -> tuple[Tensor, Tensor]:
    """Return sentences (B, D) and tokens (B, L', D), not normalised; positions padded in all texts are left out."""
    states_BLF, padding_BL = token_states(model.language, ids_BL)
    return model.heads.text.sentence(states_BLF, padding_BL), model.heads.text(states_BLF, padding_BL)


def token_states(language: Any, ids_BL: Tensor) -> tuple[Tensor, Tensor]:
    """Return the language tower's last states (B, L', F) and which of them are padding (B, L')."""
    padding_BL = ids_BL == language.config.pad_token_id
    longest = max(1, int((~padding_BL).sum(dim=1).max()))
    ids_BL, padding_BL = ids_BL[:, :longest], padding_BL[:, :longest]
    states_BLF: Tensor = language(input_ids=ids_BL, attention_mask=(~padding_BL).long()).last_hidden_state
    return states_BLF, padding_BL
