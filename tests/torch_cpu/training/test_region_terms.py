"""Image-side tokens in whole trials: the teacher's regions are the student's, in their order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ablative.progress import silent
from ablative.trainables.config import TrialConfig
from ablative.trainables.config import contradictions
from ablative.trainables.data.load import load_split
from ablative.trainables.job import Alone
from ablative.trainables.job import TrialJob
from ablative.trainables.prepare import prepare
from ablative.trainables.students.student import build_student
from ablative.trainables.teachers.feature_cache import open_features
from ablative.trainables.training.inputs import inputs_of
from ablative.trainables.training.teacher_table import TeacherTable
from ablative.trainables.trial import run_trial
from tests.helpers.small_teachers import pictured_snli_ve
from tests.helpers.small_teachers import small_teacher
from tests.helpers.tasks import TASKS
from tests.torch_cpu.training.conftest import smoke

pytestmark = pytest.mark.slow

SHORT = {"batch_size": 4, "min_steps": 2, "max_steps": 2, "evaluations": 1}
SCENES = {"model": "mini_scene_encoder"}
REGIONS = {"terms": {"regions": 1.0}, "weighting": {"confidence": "none"}}


def trained(config: TrialConfig, cache: Path) -> dict[str, float]:
    """Training curves of a trial that completes: the last value of each."""
    assert not list(contradictions(config))
    prepare([config], cache, silent)
    outcome = run_trial(TrialJob(trial_id="t", config=config, seed=1, evaluate=("val",), cache=str(cache)), Alone())
    assert outcome.status == "completed", outcome.error
    return {point.metric: point.value for point in outcome.curve if point.split == "train"}


@pytest.mark.parametrize(
    "changes",
    [
        {"task": "vcr", "distillation": {**REGIONS, "candidates": "all"}},
        {"student": {"visual_input": "patches"}, "distillation": REGIONS},
        {"teacher": {**SCENES, "control": "blank_image"}, "distillation": REGIONS},
        {"teacher": {**SCENES, "control": "shuffled"}, "distillation": {**REGIONS, "projection": "shared"}},
    ],
    ids=["all candidates", "patches", "blank", "shuffled"],
)
def test_a_student_learns_regions(changes: dict[str, Any], cache: Path) -> None:
    curves = trained(smoke(**{"teacher": SCENES, "optim": SHORT, **changes}), cache)
    assert 0 < curves["regions"] < 2


def test_regions_stay_their_own_whatever_the_batch(cache: Path) -> None:
    """In VCR, whose pictures have different numbers of boxes."""
    config = smoke("vcr", teacher=SCENES, distillation=REGIONS)
    prepare([config], cache, silent)
    split = load_split(TASKS["vcr"], "mini_smoke", "train", cache)
    inputs, features = inputs_of(config, split, cache), open_features(config.teacher, cache, split)
    table = TeacherTable(split, features, None, config.distillation, shuffle_seed=None, seen=inputs.regions)
    indices = np.array([0, 9, 4])
    found, batch = table(indices), inputs.batch(indices)

    counts = batch.inputs.region_mask_BR.view(3, 4, -1)[:, 0].sum(-1) - 1
    assert len(set(counts.tolist())) > 1
    assert found.region_mask.sum(-1).tolist() == counts.tolist()
    for place, index in enumerate(indices):
        [own] = features.regions([split.examples[index].image], inputs.regions)
        assert torch.equal(found.regions[place, : counts[place]], torch.from_numpy(np.array(own)))
        assert np.linalg.norm(own.astype(np.float32), axis=1) == pytest.approx(1, abs=2e-3)


def test_states_of_a_student_of_patches_are_means_over_the_regions(cache: Path) -> None:
    config = smoke("vcr", student={"visual_input": "patches", "init": "scratch"})
    prepare([config], cache, silent)
    inputs = inputs_of(config, load_split(TASKS["vcr"], "mini_smoke", "train", cache), cache)
    student = build_student(config.student, head="candidates", num_classes=0, region_width=inputs.regions.width).eval()
    batch = inputs.batch(np.array([0, 1])).inputs
    side = student.encoder.grid[0]
    batch.boxes_BR7[:, 1, :4] = torch.tensor([1, 0, 3, 2]) / side
    with torch.no_grad():
        states = student(batch)
        found_BRS = student.region_states(states, batch)

    assert found_BRS.shape[:2] == batch.region_mask_BR.shape
    map_PQS = states.regions_BRS[0, 1:].view(side, -1, student.width)
    torch.testing.assert_close(found_BRS[0, 1], map_PQS[0:2, 1:3].mean((0, 1)))


def test_an_open_clip_teacher_teaches_regions_too(tmp_path: Path) -> None:
    data = pictured_snli_ve(tmp_path / "flickr")
    teacher = small_teacher(tmp_path / "teacher")
    content = {"task": {"name": "snli_ve", "data": str(data)}, "distillation": REGIONS, "optim": SHORT}
    config = TrialConfig.model_validate({**content, "teacher": teacher.model_dump()})
    assert 0 < trained(config, tmp_path / "cache")["regions"] < 2


def test_a_student_that_is_shown_no_picture_trains_too(cache: Path) -> None:
    trained(smoke(teacher=SCENES, distillation=REGIONS, optim=SHORT, task="snli_ve"), cache)
    config = smoke(teacher=SCENES, distillation=REGIONS, optim=SHORT)
    trained(config.model_copy(update={"task": config.task.model_copy(update={"inputs": "text"})}), cache)
