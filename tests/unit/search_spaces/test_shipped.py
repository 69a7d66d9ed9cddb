from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ablative.search_spaces.arms import reference
from ablative.search_spaces.design import cells
from ablative.search_spaces.load import load_study
from ablative.search_spaces.shipped import shipped
from ablative.search_spaces.study import Study
from ablative.trainables.config import TrialConfig
from ablative.trainables.config import canonical
from ablative.trainables.config import contradictions
from ablative.trainables.exposure import Exposures
from tests.helpers.study_text import subjects


def study(name: str) -> Study:
    return load_study(name, subjects=subjects(), default="clip_td").study


def test_the_shipped_studies_are_four_on_the_bundled_benchmark_easy_vqa_and_those_of_the_real_tasks() -> None:
    bundled = {"quickstart", "mini_clip_td", "mini_low_shot", "mini_from_scratch"}
    real = {"clip_td_vcr", "clip_td_snli_ve", "clip_td_vqa", "clip_td_lowshot", "mad_snli_ve"}
    assert set(shipped()) == bundled | real | {"easy_vqa"}


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_study_loads_under_its_own_name(name: str) -> None:
    assert study(name).study == name


@pytest.mark.parametrize("name", shipped())
def test_shipped_studies_can_claim_differences_from_the_plain_student(name: str) -> None:
    loaded = study(name)
    assert reference(loaded.arms) == "no_distillation"
    assert len(loaded.seeds.confirm) >= 6
    assert "shuffled_teacher" in loaded.arms.controls
    assert {"val", "test"} <= set(loaded.evaluate)


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_study_declares_its_question_as_claims_and_asks_whether_it_is_the_teachers_doing(
    name: str,
) -> None:
    claims = study(name).comparisons.claims.values()
    pairs = {(claim.arm, claim.against) for claim in claims}
    assert {("clip_td", "no_distillation"), ("clip_td", "shuffled_teacher")} <= pairs


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_study_without_gpus_trains_in_float32(name: str) -> None:
    loaded = study(name)
    configs = [cell.config for cell in cells(loaded, TrialConfig, canonical)]
    on_cpus = [config for config in configs if not loaded.resources.of(config).gpus_per_worker]
    assert {config.optim.precision for config in on_cpus} <= {"float32"}


@pytest.mark.parametrize("task", ["vcr", "snli_ve", "vqa"])
def test_a_real_data_set_has_a_study_of_its_own(task: str) -> None:
    built = cells(study(f"clip_td_{task}"), TrialConfig, canonical)
    configs = [cell.config.model_dump() for cell in built]
    assert {config["task"]["name"] for config in configs} == {task}
    assert {config["task"]["data"] for config in configs} == {f"data/{task}"}
    assert {config["student"]["preset"] for config in configs} == {"uniter_base"}


@pytest.mark.parametrize(("task", "passes"), [("vcr", 20.25), ("snli_ve", 4.35), ("vqa", 29.1)])
def test_all_the_real_data_is_seen_as_often_as_in_uniters_recipe(task: str, passes: float, tmp_path: Path) -> None:
    built = cells(study(f"clip_td_{task}"), TrialConfig, canonical)
    (config,) = (c.config for c in built if c.arm == "clip_td" and c.config.task.data_fraction == 1.0)  # type: ignore[attr-defined]
    assert Exposures(tmp_path).of(config).passes == pytest.approx(passes, rel=0.01)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["clip_td_vcr", "clip_td_snli_ve", "clip_td_vqa", "clip_td_lowshot", "mad_snli_ve"])
def test_no_arm_of_the_real_studies_has_more_to_tune_than_another(name: str) -> None:
    loaded = study(name)
    assert loaded.seeds.nested
    spaces = {repr(cell.space) for cell in cells(loaded, TrialConfig, canonical)}
    assert len(spaces) == 1


def test_the_study_of_unimodal_teachers_asks_them_for_nothing_that_takes_a_joint_space() -> None:
    built = cells(study("mad_snli_ve"), TrialConfig, canonical)
    by_arm = {cell.arm: cell.config for cell in built}
    assert by_arm["clip_td"].teacher.model == "ViT-B-16-quickgelu"  # type: ignore[attr-defined]
    for arm in ("unimodal", "unimodal_shuffled", "unimodal_image", "unimodal_text"):
        assert by_arm[arm].teacher.model == "two_towers"  # type: ignore[attr-defined]
        assert not list(contradictions(by_arm[arm]))  # type: ignore[arg-type]


def test_loading_imports_nothing_heavy() -> None:
    code = (
        "import sys; from ablative.search_spaces.load import load_study; import ablative.search_spaces.schema;"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'ray', 'torch', 'optuna', 'pyarrow'}))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
