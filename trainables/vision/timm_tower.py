"""A timm image model with the weights of a local checkpoint, without its classifier."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from ablative.trainables.open_clip_weights import require_weights_of
from ablative.trainables.strangers import parsing
from ablative.trainables.students.checkpoint import read_tensors
from ablative.trainables.torchvision_ops import declare_missing_ops


def load_timm(
    name: str,
    checkpoint: Path | None,
    *,
    model_setting: str,
    checkpoint_setting: str,
    error: Callable[[str], Exception],
) -> Any:
    """Return timm's model `name` in eval mode, with random weights if `checkpoint` is None.

    `model_setting`, `checkpoint_setting`: the settings' names in a message.

    Raises:
        error: the model does not exist, or the file is missing or does not fit it.
    """
    declare_missing_ops()
    import timm

    if not timm.is_model(name):
        from difflib import get_close_matches

        near = get_close_matches(name, timm.list_models(), n=1)
        remedy = f"did you mean {near[0]!r}?" if near else "wanted a name of timm.list_models()"
        raise error(f"{model_setting}: found {name!r}; {remedy}")
    tower = timm.create_model(name, pretrained=False, num_classes=0)
    if checkpoint is not None:
        place = f"{checkpoint_setting}: {checkpoint} cannot be loaded into timm's {name}"
        with parsing(place, "wanted this model's weights, as timm names them", error):
            _fill(tower, read_tensors(checkpoint))
    return tower.eval()


def _fill(tower: Any, tensors: dict[str, Tensor]) -> None:
    """Load all weights except those of a classifier, which the tower lacks."""
    classifiers = tower.pretrained_cfg.get("classifier") or ()
    heads = (classifiers,) if isinstance(classifiers, str) else tuple(classifiers)
    own = {key: value for key, value in tensors.items() if not key.startswith(tuple(f"{head}." for head in heads))}
    require_weights_of(tower, own)
    tower.load_state_dict(own)
