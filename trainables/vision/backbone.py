"""Region features from a frozen backbone: a timm model reads the picture, each region takes the mean over its box.

The picture keeps its proportions: it is scaled until its longer side fits, and lies in the corner of a square of the
mean colour. A region is one of the image's own objects, in their order; an image without objects has a grid of cells.

B pictures, R regions, F features, S pixels of the square's side.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from ablative.progress import Progress
from ablative.trainables.data.boxes import Boxes
from ablative.trainables.data.boxes import read_metadata
from ablative.trainables.data.inspection import Inspection
from ablative.trainables.data.inspection import images_among
from ablative.trainables.data.layout import image_folder_of
from ablative.trainables.data.manifest import digest_of
from ablative.trainables.data.manifest import look
from ablative.trainables.data.pictures import DECODING_VERSION
from ablative.trainables.data.pictures import Pictures
from ablative.trainables.errors import DataError
from ablative.trainables.errors import UnreadableData
from ablative.trainables.file_digests import file_digests
from ablative.trainables.vision.feature_files import Entry
from ablative.trainables.vision.feature_files import ImageRegions
from ablative.trainables.vision.feature_files import as_halves
from ablative.trainables.vision.pooling import grid_cells
from ablative.trainables.vision.pooling import pooled

if TYPE_CHECKING:
    from PIL.Image import Image

BATCH = 8
"""Pictures a thread reads together."""
BACKBONE_VERSION = 1
"""Raised when code changes the features of a picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """One picture, ready for the model."""

    pixels_SS3: np.ndarray
    boxes_R4: np.ndarray
    """Corners relative to the picture."""
    share: np.ndarray
    """(4,) the part of the square that the picture covers: across, down, across, down."""


@dataclass(slots=True, kw_only=True)
class Backbone:
    """A source of region features (`trainables.vision.conversion.Source`): those of `images`, in their order."""

    name: str
    """timm's name for the model."""
    version: str
    """Digest of its weights and of everything else that decides the features, except the pictures."""
    images: Sequence[str]
    pictures: Pictures
    digests: Mapping[str, str]
    """Image -> digest of its bytes."""
    models: Sequence[tuple[str, Any]]
    """(device, model on it): threads share them out."""
    side: int
    """Pixels of the square."""
    grid: int
    mean: np.ndarray
    std: np.ndarray
    place: str = "backbone"
    _turns: Iterator[int] = field(default_factory=itertools.count)
    _own: threading.local = field(default_factory=threading.local)

    def stamp(self) -> list[str]:
        """Return the values that decide the features, besides the pictures."""
        return [self.version]

    def pictures_of(self, images: Sequence[str]) -> str:
        """Return the digest of the pictures of these images."""
        return digest_of({image: self.digests[image] for image in images if image in self.digests})

    def entries(self, start: int, done: Collection[str]) -> Iterator[Entry]:
        """Yield the images still to do, wherever they stand: a picture may have arrived since."""
        from ablative.trainables.side_by_side import side_by_side

        left = [image for image in self.images if image not in done]
        batches = [left[first : first + BATCH] for first in range(0, len(left), BATCH)]
        found = itertools.chain.from_iterable(side_by_side(self._computed, batches))
        for position, one in enumerate(found, start=len(self.images) - len(left) + 1):
            yield Entry(position=position, total=len(self.images), found=one)

    def _computed(self, images: Sequence[str]) -> list[ImageRegions | str]:
        read = {image: self._read(image) for image in images}
        ready = {image: one for image, one in read.items() if isinstance(one, _Read)}
        maps_BFHW = self._maps([one.pixels_SS3 for one in ready.values()]) if ready else np.empty(0)
        found: dict[str, ImageRegions | str] = {image: one for image, one in read.items() if isinstance(one, str)}
        for (image, one), map_FHW in zip(ready.items(), maps_BFHW, strict=True):
            found[image] = _regions(image, pooled(map_FHW, one.boxes_R4 * one.share), one.boxes_R4)
        return [found[image] for image in images]

    def _read(self, image: str) -> _Read | str:
        try:
            picture = self.pictures.picture(image, self.digests.get(image))
        except DataError as error:
            return str(error)
        metadata = read_metadata(self.pictures, image)
        boxes = metadata.boxes if metadata is not None else ()
        pixels_SS3, share = _in_square(picture, self.side, self.mean)
        return _Read(pixels_SS3=pixels_SS3, boxes_R4=_boxes(boxes, picture, self.grid), share=share)

    def _maps(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        """Return the last maps, (B, F, height, width)."""
        import torch

        device, model = self._model()
        inputs = torch.from_numpy(((np.stack(pixels) - self.mean) / self.std).astype(np.float32)).to(device)
        with torch.inference_mode():
            maps = model.forward_intermediates(
                inputs.permute(0, 3, 1, 2), indices=1, norm=True, intermediates_only=True, output_fmt="NCHW"
            )
            return np.asarray(maps[-1].float().cpu())

    def _model(self) -> tuple[str, Any]:
        if not hasattr(self._own, "turn"):
            self._own.turn = next(self._turns)
        return self.models[self._own.turn % len(self.models)]


def open_backbone(
    name: str,
    checkpoint: Path | None,
    found: Sequence[Inspection],
    cache: Path,
    progress: Progress,
    *,
    side: int | None = None,
    grid: int = 6,
) -> Backbone:
    """Return the backbone for a data set with inspected splits: on every GPU of this machine, else on the CPU.

    `checkpoint`: local path of timm's weights; None draws random weights, for a control. `side`: pixels of the square,
    the model's own unless given.

    Raises:
        UnreadableData: the model does not exist, its file does not fit, or it cannot read squares of that size.
    """
    import timm
    import torch
    from timm.data import resolve_model_data_config

    from ablative.trainables.vision.timm_tower import load_timm

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = load_timm(
            name, checkpoint, model_setting="--backbone", checkpoint_setting="--checkpoint", error=UnreadableData
        )
    own = resolve_model_data_config(model)
    wanted = side or own["input_size"][-1]
    if model.pretrained_cfg.get("fixed_input_size") and wanted != own["input_size"][-1]:
        raise UnreadableData(
            f"--image-size: {name} reads {own['input_size'][-1]} pixels and no others, found {wanted}; leave it out, "
            "or choose a model without positions of its own, such as a convnext"
        )
    if not hasattr(model, "forward_intermediates"):
        raise UnreadableData(f"--backbone: timm's {name} gives no map of features; choose a vit or a convnext")
    weights = "drawn" if checkpoint is None else file_digests([checkpoint], cache)[0]
    recipe = {"version": BACKBONE_VERSION, "decoding": DECODING_VERSION, "timm": timm.__version__, "weights": weights}
    recipe |= {"side": wanted, "grid": grid}
    images = images_among(found)
    image_folder = image_folder_of(found[0].task, found[0].folder)
    devices = [f"cuda:{number}" for number in range(torch.cuda.device_count())] or ["cpu"]
    return Backbone(
        name=name,
        version=digest_of({key: str(value) for key, value in recipe.items()}),
        images=images,
        pictures=Pictures(image_folder),
        digests=look(image_folder, images, cache, progress).pictures,
        models=[(device, _on(model, device)) for device in devices],
        side=wanted,
        grid=grid,
        mean=np.asarray(own["mean"], dtype=np.float32),
        std=np.asarray(own["std"], dtype=np.float32),
    )


def _on(model: Any, device: str) -> Any:
    import copy

    return copy.deepcopy(model).requires_grad_(False).to(device)


def _in_square(picture: Image, side: int, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (S, S, 3) pixels in [0, 1], and the share of the square that the picture covers."""
    from PIL.Image import Resampling

    scale = side / max(picture.width, picture.height)
    width, height = (max(1, min(side, round(length * scale))) for length in (picture.width, picture.height))
    pixels_SS3 = np.tile(mean, (side, side, 1)).astype(np.float32)
    scaled = picture.resize((width, height), Resampling.BICUBIC)
    pixels_SS3[:height, :width] = np.asarray(scaled, dtype=np.float32) / 255
    return pixels_SS3, np.array([width, height, width, height]) / side


def _boxes(boxes: Boxes, picture: Image, grid: int) -> np.ndarray:
    """Return (R, 4) corners relative to the picture."""
    if boxes:
        return (np.asarray(boxes) / [picture.width, picture.height, picture.width, picture.height]).clip(0, 1)
    return grid_cells(grid)


def _regions(image: str, features_RF: np.ndarray, boxes_R4: np.ndarray) -> ImageRegions | str:
    try:
        return ImageRegions(key=image, features=as_halves(features_RF), boxes=boxes_R4.astype(np.float32))
    except ValueError as error:
        return f"{image}: {error}"
