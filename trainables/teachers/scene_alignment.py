"""Aligns `mini_scene_encoder` and writes the heads that the package ships.

    python -m ablative.trainables.teachers.scene_alignment --output trainables/assets/mini_scene_encoder.safetensors

First the reader of cells learns the names of the things in them. Then both sides learn which captions are true for
which pictures. Each caption of a batch meets each of its pictures, and the scene graphs give the label; claims that a
picture leaves open are left out. The towers stay frozen.

Dimensions: B pictures, K captions of a picture, P cells, C names, N cells of all pictures, D joint.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.functional import cross_entropy
from torch.nn.functional import normalize

from ablative.progress import Progress
from ablative.trainables.cache import cache_folder
from ablative.trainables.teachers.recipe import PACKAGES
from ablative.trainables.teachers.recipe import package_versions
from ablative.trainables.teachers.scene_facts import Claim
from ablative.trainables.teachers.scene_heads import CellReader
from ablative.trainables.teachers.scene_heads import SceneHeads
from ablative.trainables.teachers.scene_material import CAPTIONS
from ablative.trainables.teachers.scene_material import Material
from ablative.trainables.teachers.scene_material import cell_labels
from ablative.trainables.teachers.scene_material import material
from ablative.trainables.teachers.scene_material import names

HELD = 300
"""Held-out pictures at the end, to watch the progress of training."""
_BACKGROUND_SHARE = 0.06
"""Share of the empty cells that training uses, each counted `_BACKGROUND_WEIGHT` times."""
_BACKGROUND_WEIGHT = 4.0
_CELLS_AT_ONCE = 1024
_CELL_LR = 2e-3
_AMOUNT_WEIGHT = 20.0
_MAX_LOGIT_SCALE = 50.0
_LEAST_DEVIATION = 0.05
"""Floor for the spread of sums over cells: for rare names it is nearly zero."""


def learn_cells(reader: CellReader, shown: Material, *, steps: int, seed: int, progress: Progress) -> None:
    """Teach the reader which thing stands in each cell, and how much of it."""
    generator = torch.Generator().manual_seed(seed)
    count = len(shown.scenes) - HELD
    labels, shares = (
        torch.from_numpy(np.stack(values)) for values in zip(*map(cell_labels, shown.scenes), strict=True)
    )
    empty = labels[:count] == 0
    kept = ~empty | (torch.rand(empty.shape, generator=generator) < _BACKGROUND_SHARE)
    cells_NF = torch.cat([torch.from_numpy(shown.cells[i])[kept[i]] for i in range(count)])
    labels_N, shares_N = labels[:count][kept], shares[:count][kept]
    weights_N = torch.where(labels_N == 0, _BACKGROUND_WEIGHT, 1.0)
    reader.standard.measure(torch.from_numpy(shown.cells[:400].astype(np.float32)).flatten(0, 1))
    optimizer = torch.optim.AdamW(reader.parameters(), lr=_CELL_LR, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _CELL_LR, total_steps=steps + 1, pct_start=0.1)
    for step in range(steps):
        rows = torch.randint(len(cells_NF), (_CELLS_AT_ONCE,), generator=generator)
        said, amounts = reader.read(cells_NF[rows].float())
        loss = (cross_entropy(said, labels_N[rows], reduction="none") * weights_N[rows]).mean()
        loss = loss + _AMOUNT_WEIGHT * ((amounts - shares_N[rows]).square() * weights_N[rows]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            progress("cells learned", step, steps)


def learn_captions(
    heads: SceneHeads,
    shown: Material,
    *,
    steps: int,
    batch_size: int,
    said: int,
    lr: float,
    seed: int,
    progress: Progress,
) -> None:
    """Teach image and text heads which captions are true; the reader of cells stays frozen.

    `said`: captions per picture in a batch, in pairs of a true one and a false one.
    """
    rng = np.random.default_rng(seed)
    count = len(shown.scenes) - HELD
    sums = summed(heads, shown)
    heads.standard.measure(sums[:count])
    heads.standard.deviation.clamp_min_(_LEAST_DEVIATION)
    states, padding = shown.texts(rng.permutation(len(shown.lengths))[:4000])
    heads.text.standard.measure(states[~padding])
    learned = [value for name, value in heads.named_parameters() if not name.startswith("cells.")]
    groups = [
        {"params": [value for value in learned if value.dim() > 1], "weight_decay": 0.05},
        {"params": [value for value in learned if value.dim() <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps + 1, pct_start=0.08)
    for step in range(steps):
        pictures = rng.choice(count, batch_size, replace=False)
        pairs = np.stack([rng.permutation(CAPTIONS // 2)[: said // 2] for _ in pictures])
        chosen = (2 * pairs[:, :, None] + [0, 1]).reshape(len(pictures), said)
        claims, cosines = put(heads, shown, sums, pictures, chosen)
        loss = _loss(heads, cosines, shown.truth(pictures, claims), said)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            progress("captions learned", step, steps)


@torch.no_grad()
def summed(heads: SceneHeads, shown: Material) -> Tensor:
    """Return (pictures, 3 C): the sums over the cells of each picture."""
    blocks = range(0, len(shown.cells), 200)
    return torch.cat([heads.cells(torch.from_numpy(shown.cells[i : i + 200].astype(np.float32))) for i in blocks])


def put(
    heads: SceneHeads, shown: Material, sums: Tensor, pictures: np.ndarray, chosen: np.ndarray
) -> tuple[Sequence[Claim], Tensor]:
    """Return the chosen captions' claims, picture by picture, and their cosines with every picture (B, B K)."""
    claims = [shown.claims[i][k] for i, of_it in zip(pictures, chosen, strict=True) for k in of_it]
    states, padding = shown.texts(shown.said[pictures[:, None], chosen].reshape(-1))
    texts = normalize(heads.text.sentence(states, padding), dim=-1)
    return claims, normalize(heads.picture(sums[pictures]), dim=-1) @ texts.T


def _loss(heads: SceneHeads, cosines: Tensor, truth: Tensor, said: int) -> Tensor:
    """True and false pairs count alike. So do a picture's own captions, which are the hard ones."""
    logits = heads.logit_scale.exp().clamp(max=_MAX_LOGIT_SCALE) * cosines + heads.logit_bias
    each = binary_cross_entropy_with_logits(logits, truth.nan_to_num(), reduction="none")
    own = torch.eye(len(truth), dtype=torch.bool).repeat_interleave(said, dim=1) & ~truth.isnan()
    return (each[truth == 1].mean() + each[truth == 0].mean()) / 2 + each[own].mean()


@torch.no_grad()
def held_accuracy(heads: SceneHeads, shown: Material) -> dict[str, float]:
    """Return the accuracy at telling true from false captions on held-out pictures, by kind of claim."""
    pictures = np.arange(len(shown.scenes) - HELD, len(shown.scenes))
    chosen = np.tile(np.arange(CAPTIONS), (HELD, 1))
    claims, cosines = put(heads, shown, summed(heads, shown), pictures, chosen)
    said = heads.logit_scale.exp() * cosines + heads.logit_bias > 0
    found: dict[str, list[bool]] = defaultdict(list)
    for number, claim in enumerate(claims):
        picture = number // CAPTIONS
        right = bool(said[picture, number]) == shown.facts[pictures[picture]].truth(claim)
        found[claim.kind].append(right)
        found["all"].append(right)
    return {kind: round(float(np.mean(values)), 4) for kind, values in sorted(found.items())}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--scenes", type=int, default=6000)
    parser.add_argument("--cell-steps", type=int, default=400)
    parser.add_argument("--steps", type=int, default=1600)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--said", type=int, default=4, help="captions of each picture in a batch")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    from safetensors.torch import save_file

    shown = material(arguments.scenes, cache_folder() / "scene-alignment", _print)
    torch.manual_seed(arguments.seed)
    heads = SceneHeads(len(names()))
    learn_cells(heads.cells, shown, steps=arguments.cell_steps, seed=arguments.seed, progress=_print)
    options = {name: getattr(arguments, name) for name in ("steps", "batch_size", "said", "lr", "seed")}
    learn_captions(heads, shown, **options, progress=_print)
    rounded = {name: value.to(torch.float16).contiguous() for name, value in heads.state_dict().items()}
    heads.load_state_dict({name: value.float() for name, value in rounded.items()})
    held = held_accuracy(heads, shown)
    recipe = options | {"scenes": arguments.scenes, "cell_steps": arguments.cell_steps}
    metadata = {"recipe": recipe, "packages": package_versions(PACKAGES), "held": held}
    save_file(rounded, arguments.output, metadata={name: json.dumps(value) for name, value in metadata.items()})
    print(f"{arguments.output}: {arguments.output.stat().st_size / 1e6:.2f} MB, {json.dumps(held)}")


def _print(what: str, done: int, total: int) -> None:
    print(f"{time.process_time():.0f} s of processor time: {what} {done}/{total}", flush=True)


if __name__ == "__main__":
    main()
