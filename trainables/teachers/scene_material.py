"""The training material of `mini_scene_encoder`: cells of pictures and states of captions, from its frozen towers.

Both are computed in bfloat16, which halves the time on a processor with the instructions for it; the teacher itself
reads in float32.

Dimensions: N pictures, P cells of a picture, K captions of a picture, T distinct texts, L tokens, F frozen width.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch import nn

from ablative.progress import Progress
from ablative.trainables.benchmark.concepts import by_name
from ablative.trainables.benchmark.draw import render
from ablative.trainables.benchmark.scene import Scene
from ablative.trainables.cache import written_whole
from ablative.trainables.teachers.mini_scene_encoder import language_tower
from ablative.trainables.teachers.mini_scene_encoder import pixels
from ablative.trainables.teachers.mini_scene_encoder import scene_tokenizer
from ablative.trainables.teachers.scene_captions import SEED
from ablative.trainables.teachers.scene_captions import captions
from ablative.trainables.teachers.scene_captions import teacher_scenes
from ablative.trainables.teachers.scene_facts import Claim
from ablative.trainables.teachers.scene_facts import Facts
from ablative.trainables.teachers.scene_facts import facts
from ablative.trainables.teachers.scene_heads import CELL_WIDTH
from ablative.trainables.teachers.scene_heads import GRID
from ablative.trainables.teachers.scene_heads import cells_of
from ablative.trainables.teachers.scene_heads import token_states
from ablative.trainables.vision.trunk import imagenet_trunk

CAPTIONS = 12
"""One entry per picture."""
_PICTURES_AT_ONCE = 8
_TEXTS_AT_ONCE = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Pictures with captions, and the frozen towers' states of both."""

    scenes: Sequence[Scene]
    facts: Sequence[Facts]
    claims: Sequence[Sequence[Claim]]
    """(N, K)."""
    said: np.ndarray
    """(N, K) position of each claim's text in `states`."""
    cells: np.ndarray
    """(N, P, F) float16, mapped from disk."""
    states: np.ndarray
    """(T, L, F) float16, zeros in the padding."""
    lengths: np.ndarray
    """(T,) tokens of each text."""

    def texts(self, places: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return the states (B, L, F) of some texts and their padding (B, L), as long as the longest of them."""
        lengths = self.lengths[places]
        longest = int(lengths.max())
        states_BLF = torch.from_numpy(self.states[places, :longest].astype(np.float32))
        return states_BLF, torch.arange(longest) >= torch.from_numpy(lengths)[:, None]

    def truth(self, pictures: np.ndarray, claims: Sequence[Claim]) -> Tensor:
        """Return (B, claims): 1 for a claim that is true for a picture, 0 for a false one, nan for an open one."""
        columns: dict[Claim, list[int]] = defaultdict(list)
        for column, claim in enumerate(claims):
            columns[Claim("there", claim.name) if claim.kind == "absent" else claim].append(column)
        found = torch.zeros(len(pictures), len(claims))
        for row, picture in enumerate(pictures):
            known = self.facts[picture]
            for value, of_it in ((1.0, known.true), (torch.nan, known.open)):
                found[row, [column for claim in of_it for column in columns.get(claim, ())]] = value
        denied = torch.tensor([claim.kind == "absent" for claim in claims])
        found[:, denied] = 1 - found[:, denied]
        return found


def material(count: int, folder: Path, progress: Progress) -> Material:
    """Return the first `count` pictures; their cells are computed once and kept in `folder`."""
    scenes = list(teacher_scenes(count))
    known = [facts(scene) for scene in scenes]
    said = [
        captions(scene, of_it, np.random.default_rng([SEED, 1, scene.index]), CAPTIONS)
        for scene, of_it in zip(scenes, known, strict=True)
    ]
    texts = sorted({text for of_one in said for _, text in of_one}, key=lambda text: (len(text), text))
    place = {text: number for number, text in enumerate(texts)}
    states, lengths = _states(texts, progress)
    return Material(
        scenes=scenes,
        facts=known,
        claims=[[claim for claim, _ in of_one] for of_one in said],
        said=np.array([[place[text] for _, text in of_one] for of_one in said]),
        cells=_cells(scenes, folder / f"cells-{count}.npy", progress),
        states=states,
        lengths=lengths,
    )


def names() -> list[str]:
    """Return the names that a cell may show; the first is the background."""
    return ["", *(name for name, concept in by_name().items() if concept.teacher_sees)]


def cell_labels(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Return for each cell (P,) the index in `names` of its centre's thing, and the cell's share of that thing."""
    place = {name: number for number, name in enumerate(names())}
    found, shares = np.zeros((GRID, GRID), dtype=np.int64), np.zeros((GRID, GRID), dtype=np.float32)
    centres = (np.arange(GRID) + 0.5) * scene.picture_px / GRID
    for thing in scene.things:
        x1, y1, x2, y2 = thing.box
        inside = ((centres >= y1) & (centres < y2))[:, None] & ((centres >= x1) & (centres < x2))[None]
        found[inside] = place[thing.concept.name]
        shares[inside] = 1 / max(1, inside.sum())
    return found.reshape(-1), shares.reshape(-1)


class _Maps(nn.Module):
    """`cells_of` the trunk as one module, which can be traced."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = copy.deepcopy(imagenet_trunk()).to(torch.bfloat16)

    def forward(self, pixels_B3HW: Tensor) -> Tensor:
        return cells_of(self.trunk, pixels_B3HW)


@torch.no_grad()
def _cells(scenes: Sequence[Scene], path: Path, progress: Progress) -> np.ndarray:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as scratch:
            shape = (len(scenes), GRID * GRID, CELL_WIDTH)
            found = np.lib.format.open_memmap(scratch, "w+", np.float16, shape)
            maps: Any = None
            for start in range(0, len(scenes), _PICTURES_AT_ONCE):
                drawn = torch.stack([pixels(render(scene)) for scene in scenes[start : start + _PICTURES_AT_ONCE]])
                drawn = drawn.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
                if maps is None:
                    maps = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(_Maps().eval(), drawn)))
                found[start : start + len(drawn)] = maps(drawn).float().numpy()
                if start % 400 == 0:
                    progress("scenes", start, len(scenes))
            found.flush()
    return np.load(path, mmap_mode="r")


@torch.no_grad()
def _states(texts: Sequence[str], progress: Progress) -> tuple[np.ndarray, np.ndarray]:
    tower, tokenizer = language_tower().to(torch.bfloat16), scene_tokenizer()
    parts = []
    for start in range(0, len(texts), _TEXTS_AT_ONCE):  # sorted by length: little padding
        states, padding = token_states(tower, tokenizer(list(texts[start : start + _TEXTS_AT_ONCE])))
        parts.append((states.float().numpy().astype(np.float16), (~padding).sum(dim=1).numpy()))
        if start % 6400 == 0:
            progress("captions", start, len(texts))
    longest = max(states.shape[1] for states, _ in parts)
    padded = [np.pad(states, ((0, 0), (0, longest - states.shape[1]), (0, 0))) for states, _ in parts]
    return np.concatenate(padded), np.concatenate([lengths for _, lengths in parts])
