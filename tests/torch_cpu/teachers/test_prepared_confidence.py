"""The confidence in answers is made before any trial, where all seeds share it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ablative.progress import silent
from ablative.trainables.cache import cache_folder
from ablative.trainables.config import TrialConfig
from ablative.trainables.job import Alone
from ablative.trainables.job import TrialJob
from ablative.trainables.prepare import ConfidenceBlock
from ablative.trainables.prepare import confidence_blocks
from ablative.trainables.prepare import prepare
from ablative.trainables.teachers import confidence_store
from ablative.trainables.trial import run_trial

pytestmark = pytest.mark.slow


def trial(task: str = "vqa", fraction: float = 1.0, **distillation: Any) -> TrialConfig:
    optim = {"batch_size": 16, "min_steps": 2, "max_steps": 2, "evaluations": 1}
    chosen = {"name": task, "data": "mini_smoke", "data_fraction": fraction}
    return TrialConfig.model_validate(
        {"task": chosen, "optim": optim, "distillation": {"terms": {"image": 1.0}, **distillation}}
    )


def run(config: TrialConfig, seed: int) -> None:
    job = TrialJob(trial_id="t", config=config, seed=seed, evaluate=(), cache=str(cache_folder()))
    outcome = run_trial(job, Alone())
    assert outcome.status == "completed", outcome.error


def test_a_prepared_trial_on_all_the_data_fits_no_probe_whatever_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    config = trial(terms={"image": 1.0, "logits": 1.0})
    prepare([config], cache_folder(), silent)
    assert not confidence_blocks([config], cache_folder())
    monkeypatch.delattr(confidence_store, "blocked_confidence")
    for seed in (1, 2):
        run(config, seed)


def test_only_what_all_seeds_share_and_something_reads_is_a_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare([trial()], cache_folder(), silent)
    monkeypatch.setattr(confidence_store, "is_stored", lambda *_, **__: False)

    def blocks(*configs: TrialConfig) -> list[ConfidenceBlock]:
        return confidence_blocks(configs, cache_folder())

    assert [block.probabilities for block in blocks(trial(), trial(terms={"logits": 1.0}))] == [True]
    unread = {"weighting": {"confidence": "none"}}
    adapted = {"adaptation": {"of": "teacher"}}
    assert not blocks(trial(**unread), trial(**adapted), trial(fraction=0.5), trial("snli_ve"), trial("vcr"))


def test_a_smaller_subset_is_fitted_by_its_first_trial() -> None:
    config = trial(fraction=0.5)
    prepare([config], cache_folder(), silent)
    run(config, seed=3)
