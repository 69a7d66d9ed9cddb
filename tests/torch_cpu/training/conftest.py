"""One prepared cache for all trials of this folder: the smallest bundled benchmark and the bundled teacher."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablative.trainables.cache import cache_folder
from ablative.trainables.config import TrialConfig
from ablative.trainables.prepare import prepare

QUICK = {"batch_size": 16, "min_steps": 6, "epochs": 1, "evaluations": 2}
DIVERGING: dict[str, object] = {"lr": 100.0, "weight_decay": 10.0}
"""Of `optim`: every step makes the weights a thousand times larger."""


def smoke(task: str = "snli_ve", **sections: dict[str, object]) -> TrialConfig:
    """A trial of a second or two on `mini_smoke`."""
    optim = {**QUICK, **sections.pop("optim", {})}
    return TrialConfig.model_validate({"task": {"name": task, "data": "mini_smoke"}, "optim": optim, **sections})


CLIP_TD = {"terms": {"image": 1.0, "text": 1.0, "tokens": 1.0}}


@pytest.fixture(scope="session")
def cache() -> Path:
    """The user's cache folder, with everything that `smoke` trials read."""
    configs = [smoke(task, distillation=CLIP_TD) for task in ("snli_ve", "vqa", "vcr")]
    configs.append(smoke(distillation=CLIP_TD, teacher={"control": "blank_image"}))
    prepare(configs, cache_folder(), lambda what, done, total: None)
    return cache_folder()
