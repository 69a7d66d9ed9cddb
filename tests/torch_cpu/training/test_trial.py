"""A trial from job to outcome, on real files, with the real teacher."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from ablative.search_spaces.configuration import flatten
from ablative.search_spaces.configuration import replaced
from ablative.trainables import bfloat16
from ablative.trainables.config import CONTROLS
from ablative.trainables.config import TrialConfig
from ablative.trainables.course import Evaluation
from ablative.trainables.data.load import load_split
from ablative.trainables.data.subsets import choosing
from ablative.trainables.errors import Hindered
from ablative.trainables.job import MAJORITY
from ablative.trainables.job import MOST_SAID
from ablative.trainables.job import Alone
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from ablative.trainables.parts.catalogue import bundled
from ablative.trainables.parts.named import metric_names
from ablative.trainables.students.student import StudentModule
from ablative.trainables.training import course
from ablative.trainables.training.evaluation import evaluate
from ablative.trainables.training.inputs import SplitInputs
from ablative.trainables.trial import run_trial
from tests.helpers.tasks import TASKS
from tests.torch_cpu.training.conftest import CLIP_TD
from tests.torch_cpu.training.conftest import DIVERGING
from tests.torch_cpu.training.conftest import smoke

pytestmark = pytest.mark.slow
FEW = {"batch_size": 4, "min_steps": 4, "max_steps": 4}
"""Of `optim`, where it is enough that a trial trains."""


def run(config: TrialConfig, cache: Path, seed: int = 1, splits: tuple[str, ...] = ("val", "test")) -> TrialOutcome:
    job = TrialJob(
        trial_id="t", config=config, seed=seed, evaluate=splits, cache=str(cache), threads=1, keep_predictions=True
    )
    return run_trial(job, Alone())


_TRAINED: dict[str, TrialOutcome] = {}


def trained(config: TrialConfig, cache: Path) -> TrialOutcome:
    """Return what a trial gives that is compared with others; it runs once, since it would give the same again."""
    key = config.model_dump_json()
    if key not in _TRAINED:
        _TRAINED[key] = run(config, cache, splits=())
    return _TRAINED[key]


@pytest.mark.parametrize("task", ["snli_ve", "vqa", "vcr"])
def test_every_task_trains_with_distillation_and_is_evaluated(task: str, cache: Path) -> None:
    job = TrialJob(
        trial_id="t",
        config=smoke(task, distillation=CLIP_TD),
        seed=1,
        evaluate=("val", "test", "test_style"),
        cache=str(cache),
        keep_predictions=True,
    )
    link = Alone()
    outcome = run_trial(job, link)

    assert outcome.status == "completed", outcome.error
    assert {"val/accuracy", "test/accuracy", "test_style/accuracy"} <= outcome.metrics.keys()
    assert all(0 <= value <= 1 for name, value in outcome.metrics.items() if "accuracy" in name)
    plain = {name.partition("/")[2].removeprefix(MAJORITY) for name in outcome.metrics if "accuracy" in name}
    assert plain <= set(metric_names(bundled()))
    splits = ("val", "test", "test_style")
    assert all(0 < outcome.metrics[f"{split}/{MAJORITY}accuracy"] < 1 for split in splits)
    for split in splits:
        said = Counter(p.prediction for p in outcome.predictions if p.split == split)
        assert outcome.metrics[f"{split}/{MOST_SAID}"] == max(said.values()) / said.total()
    assert [point.split for point in link.points] == ["val", "val"]
    assert {"loss", "task", "image", "text", "tokens"} <= {p.metric for p in outcome.curve if p.split == "train"}
    assert {p.split for p in outcome.predictions} == {"val", "test", "test_style"}
    test = load_split(TASKS[task], "mini_smoke", "test", cache)
    said_of = {p.example_id: p for p in outcome.predictions if p.split == "test"}
    assert {name: p.cluster for name, p in said_of.items()} == {example.id: example.image for example in test.examples}
    whole: dict[str, float] = {}
    for name, prediction in said_of.items():
        row = prediction.row_id or name
        whole[row] = whole.get(row, 1.0) * prediction.score
    assert outcome.metrics["test/accuracy"] == pytest.approx(sum(whole.values()) / len(whole))


def test_bfloat16_is_refused_where_the_processor_has_no_instructions_for_it_and_float32_is_not(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("flags\t\t: fpu avx2\n")
    monkeypatch.setattr(bfloat16, "CPU_INFO", info)
    with pytest.raises(Hindered, match=r"optim\.precision: bfloat16 .* set optim\.precision to float32"):
        run(smoke(optim={"precision": "bfloat16"}), cache)
    assert run(smoke(), cache).status == "completed"


def test_a_capped_val_chooses_the_step_and_all_of_val_is_reported(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[tuple[str, ...]] = []

    def noted(student: StudentModule, inputs: SplitInputs, *rest: Any) -> Evaluation:
        looked_at.append(tuple(example.id for example in inputs.split.examples))
        return evaluate(student, inputs, *rest)

    monkeypatch.setattr(course, "evaluate", noted)
    val = load_split(TASKS["vcr"], "mini_smoke", "val", cache)
    for distillation, seed in ((CLIP_TD, 1), ({}, 2)):
        config = smoke("vcr", distillation=distillation, optim={**FEW, "val_examples": 12})
        outcome = run(config, cache, seed, ("val",))
        assert outcome.status == "completed", outcome.error
        said = {prediction.example_id for prediction in outcome.predictions if prediction.split == "val"}
        assert said == {example.id for example in val.examples}
    assert len(looked_at) == 4 and len(set(looked_at)) == 1, "every evaluation of every trial looks at the same ones"
    assert looked_at[0] == tuple(example.id for example in choosing(val, 12).examples)
    assert 8 <= len(looked_at[0]) <= 16 and len(val.examples) == 40


def test_a_trial_leaves_no_trace_in_the_next_one(cache: Path) -> None:
    distilled, plain = smoke(distillation=CLIP_TD), smoke()
    first = run(distilled, cache)
    run(plain, cache, seed=5)
    failed = run(smoke(optim=DIVERGING), cache)
    again = run(distilled, cache)

    assert first.status == "completed", first.error
    assert failed.status == "failed"
    assert again.metrics == first.metrics
    assert again.predictions == first.predictions


def test_the_plain_arm_is_the_same_whatever_its_teacher_would_be(cache: Path) -> None:
    plain = run(smoke(), cache)
    other = run(smoke(teacher={"control": "untrained"}), cache)

    assert plain.status == "completed", plain.error
    assert plain.metrics == other.metrics


@pytest.mark.parametrize("control", ["shuffled", "blank_image"])
def test_controls_train_like_the_arm_they_control(control: str, cache: Path) -> None:
    distilled = trained(smoke(distillation=CLIP_TD), cache)
    outcome = run(smoke(distillation=CLIP_TD, teacher={"control": control}), cache, splits=())

    assert outcome.status == "completed", outcome.error
    assert outcome.metrics["train/steps"] == distilled.metrics["train/steps"]
    assert [p.value for p in outcome.curve] != [p.value for p in distilled.curve]


def test_a_trial_that_diverges_is_a_failed_outcome_with_its_cause(cache: Path) -> None:
    outcome = run(smoke(optim=DIVERGING), cache)

    assert (outcome.status, outcome.cause) == ("failed", "non_finite")
    assert "gradient norm" in outcome.error


def test_a_missing_data_set_is_a_failed_outcome_with_its_cause(cache: Path, tmp_path: Path) -> None:
    config = TrialConfig.model_validate({"task": {"name": "vqa", "data": str(tmp_path / "nothing")}})
    outcome = run(config, cache)

    assert (outcome.status, outcome.cause) == ("failed", "missing_data")
    assert "v2_OpenEnded" in outcome.error


def test_the_seed_decides_the_subset_and_the_result(cache: Path) -> None:
    first, again, other = (run(smoke(), cache, seed=seed) for seed in (1, 1, 2))

    assert first.metrics == again.metrics
    assert first.predictions != other.predictions


def test_blanked_inputs_change_what_the_student_can_know(cache: Path) -> None:
    def predictions(shown: str) -> list[str]:
        config = TrialConfig.model_validate(
            {**smoke().model_dump(), "task": {"name": "snli_ve", "data": "mini_smoke", "inputs": shown}}
        )
        outcome = run(config, cache)
        assert outcome.status == "completed", outcome.error
        return [p.prediction for p in outcome.predictions]

    text, image, both = (predictions(shown) for shown in ("text", "image", "both"))
    assert text != both
    assert image != both


@pytest.mark.parametrize("task", ["snli_ve", "vqa", "vcr"])
@pytest.mark.parametrize("preset", ["adapted_teacher", "adapted_student", "label_smoothing", "longer_training"])
def test_presets_of_adaptation_and_of_the_loss_train_on_every_task(preset: str, task: str, cache: Path) -> None:
    base, plain = smoke(task, distillation=CLIP_TD, optim=FEW), smoke(task, optim=FEW)
    outcome = run(replaced(base, flatten(TrialConfig, CONTROLS[preset])), cache, splits=())
    other = trained(base if preset.startswith("adapted") else plain, cache)

    assert outcome.status == "completed", outcome.error
    assert outcome.metrics["train/steps"] == other.metrics["train/steps"] * (1.5 if preset == "longer_training" else 1)
    assert [p.value for p in outcome.curve] != [p.value for p in other.curve]


def test_code_that_is_compiled_for_one_block_serves_all_blocks_lengths_and_trials(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Traced, and run as traced: what is told is what an eager trial tells."""
    graphs: list[torch.fx.GraphModule] = []

    def traced(graph: torch.fx.GraphModule, _: object) -> torch.fx.GraphModule:
        graphs.append(graph)
        return graph

    compiled = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", lambda module: compiled(module, backend=traced))
    torch.compiler.reset()
    outcomes = [
        run(smoke(distillation=CLIP_TD, optim={"compiled": on}), cache, seed=seed)
        for on, seed in ((True, 1), (True, 2), (False, 1))
    ]
    assert [outcome.status for outcome in outcomes] == ["completed"] * 3, outcomes[0].error
    assert outcomes[0].metrics == outcomes[2].metrics
    assert outcomes[0].predictions == outcomes[2].predictions
    assert 1 <= len(graphs) <= 4  # in training and evaluation, for one length and then for all
