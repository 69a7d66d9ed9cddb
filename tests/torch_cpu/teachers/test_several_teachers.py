"""Several teachers: each has a weight, projections and a cache of its own."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from ablative.search_spaces.errors import StudyError
from ablative.trainables.config import TrialConfig
from ablative.trainables.config import canonical
from ablative.trainables.config import contradictions
from ablative.trainables.digests import InputDigests
from ablative.trainables.distillation.config import DistillationConfig
from ablative.trainables.distillation.objective import Objective
from ablative.trainables.distillation.outputs import StudentOutputs
from ablative.trainables.distillation.outputs import TeacherOutputs
from ablative.trainables.identity import without_places
from ablative.trainables.job import Alone
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from ablative.trainables.prepare import feature_blocks
from ablative.trainables.prepare import prepare
from ablative.trainables.prepare import prepare_data
from ablative.trainables.trial import run_trial
from tests.helpers.small_folders import two_towers
from tests.helpers.small_teachers import pictured_snli_ve
from tests.helpers.small_teachers import small_teacher

TERMS = {"image": 1.0, "text": 0.5, "tokens": 1.0}
ADAPTING = {"terms": TERMS, "adaptation": {"of": "student"}, "weighting": {"task": "kdar"}}
STUDENT_B = torch.tensor([0.2, 0.7, 0.5], dtype=torch.double)


def student() -> StudentOutputs:
    generator = torch.Generator().manual_seed(1)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.double)

    return StudentOutputs(
        cls=drawn(3, 6),
        image=drawn(3, 6),
        words=drawn(3, 4, 6),
        logits=drawn(3, 2),
        truth=torch.eye(3)[:, :2].double(),
    )


def said(width: int, seed: int) -> TeacherOutputs:
    generator = torch.Generator().manual_seed(seed)

    def unit(*shape: int) -> torch.Tensor:
        drawn = torch.randn(*shape, width, generator=generator, dtype=torch.double)
        return torch.nn.functional.normalize(drawn, dim=-1)

    uniform = torch.rand(3, generator=generator, dtype=torch.double)
    return TeacherOutputs(
        index=torch.arange(3),
        image=unit(3),
        text=unit(3),
        scale=20.0,
        words=unit(3, 4),
        prior=torch.randn(3, 4, generator=generator, dtype=torch.double),
        visual=torch.zeros(3, 4, dtype=torch.double),
        word_mask=torch.ones(3, 4, dtype=torch.bool),
        probabilities=torch.zeros(3, 0),
        confidence=uniform,
        cross_entropy=-uniform.log(),
        correct=uniform > 0.5,
    )


def value(objective: Objective, given: Any, progress: float = 0.5) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    loss = torch.tensor([1.0, 2.0, 3.0], dtype=torch.double)
    task = loss if objective.weighs_task else loss.mean()
    found: tuple[torch.Tensor, dict[str, torch.Tensor]] = objective(
        task, student(), given, progress=progress, student_confidence_B=STUDENT_B
    )
    return found


def several(config: DistillationConfig, *teachers: tuple[int, float]) -> Objective:
    made: Objective = Objective(config, 6, teachers, num_examples=9, seed=2).double()
    return made


def test_terms_are_summed_over_teachers_with_their_weights() -> None:
    config = DistillationConfig(terms=TERMS)
    both = several(config, (5, 0.25), (8, 2.0))
    alone = [several(config, (5, 1.0), (8, 1e-300)), several(config, (5, 1e-300), (8, 1.0))]
    given = (said(5, 3), said(8, 4))
    task = 2.0
    expected = 0.25 * (value(alone[0], given)[0] - task) + 2.0 * (value(alone[1], given)[0] - task)
    torch.testing.assert_close(value(both, given)[0] - task, expected)


def test_each_teacher_has_projections_of_its_own_and_the_first_those_it_has_alone() -> None:
    config = DistillationConfig(terms=TERMS)
    first, second = several(config, (5, 1.0), (5, 1.0)).of_each
    alone = Objective(config, 6, [(5, 1.0)], num_examples=9, seed=2).double()
    for name, expected in alone.teachers[0].projections.named_parameters():
        assert torch.equal(first.projections.get_parameter(name), expected)
        assert name.endswith("bias") or not torch.equal(second.projections.get_parameter(name), expected)


def test_every_parameter_gets_a_gradient_in_both_stages_of_adaptation() -> None:
    for progress in (0.05, 0.5):
        objective = several(DistillationConfig(**ADAPTING), (5, 1.0), (8, 0.5))
        value(objective, (said(5, 3), said(8, 4)), progress)[0].backward()
        assert all(parameter.grad is not None for parameter in objective.parameters())


def test_generators_of_all_teachers_go_into_a_checkpoint() -> None:
    drawing = DistillationConfig(terms={"tokens": 1.0}, selection={"score": "random"})
    assert set(several(drawing, (5, 1.0), (8, 1.0)).generators) == {"tokens/0", "tokens/1"}


# On real files.


def quiet(what: str, done: int, total: int) -> None: ...


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two teachers, data, and a cache with the data prepared."""
    folder = tmp_path_factory.mktemp("several")
    pictured_snli_ve(folder / "flickr")
    small_teacher(folder / "clip")
    two_towers(folder / "towers")
    prepare_data([trial(folder, distillation={})], folder / "cache", quiet)
    return folder


def trial(folder: Path, *teachers: dict[str, Any], **sections: Any) -> TrialConfig:
    content = {
        "task": {"name": "snli_ve", "data": str(folder / "flickr")},
        "distillation": {"terms": {"image": 1.0, "text": 1.0}},
        "optim": {"batch_size": 4, "min_steps": 2, "epochs": 1, "evaluations": 1},
        "teachers": teachers,
    }
    return TrialConfig.model_validate({**content, **sections})


def clip(folder: Path, **more: Any) -> dict[str, Any]:
    return {"model": f"local-dir:{folder / 'clip'}", **more}


def towers(folder: Path, **more: Any) -> dict[str, Any]:
    options = {
        "image_model": "test_efficientnet",
        "image_checkpoint": str(folder / "towers" / "image.safetensors"),
        "text_folder": str(folder / "towers" / "text"),
    }
    return {"model": "two_towers", "two_towers": options, **more}


def run(config: TrialConfig, cache: Path) -> TrialOutcome:
    prepare([config], cache, quiet)
    outcome = run_trial(
        TrialJob(trial_id="t", config=config, seed=1, evaluate=("val",), cache=str(cache), keep_predictions=True),
        Alone(),
    )
    assert outcome.status == "completed", outcome.error
    return outcome


@pytest.mark.slow
def test_two_teachers_train_a_student_and_each_is_cached_once(folder: Path) -> None:
    cache = folder / "cache"
    both = trial(folder, clip(folder), towers(folder, weight=0.5))
    one = trial(folder, teacher=clip(folder))
    assert not list(contradictions(both))
    outcome = run(both, cache)
    assert feature_blocks([one, both, trial(folder, towers(folder))], cache) == []
    assert {p.metric for p in outcome.curve if p.split == "train"} >= {"loss", "task", "image", "text"}
    losses = {
        name: [point.value for point in run(config, cache).curve if point.metric == "image"]
        for name, config in (("one", one), ("both", both))
    }
    assert losses["one"] != losses["both"]
    assert run(both, cache).predictions == outcome.predictions


@pytest.mark.slow
def test_a_list_of_one_teacher_of_weight_1_is_that_teacher(folder: Path) -> None:
    listed, named = trial(folder, clip(folder)), trial(folder, teacher=clip(folder))
    assert canonical(listed) == canonical(named)
    cache = folder / "cache"
    assert run(listed, cache).predictions == run(named, cache).predictions


def test_digests_and_identity_cover_every_teacher_and_no_path(folder: Path) -> None:
    both = canonical(trial(folder, clip(folder), towers(folder, weight=0.5)))
    assert without_places(both)["teachers"] == [
        {},
        {"model": "two_towers", "weight": 0.5, "two_towers": {"image_model": "test_efficientnet"}},
    ]
    digests = InputDigests(folder / "cache")
    found = {
        digests.of(config).teacher
        for config in (both, trial(folder, clip(folder)), trial(folder, towers(folder)),
                       trial(folder, towers(folder), clip(folder)))
    }  # fmt: skip
    assert len(found) == 4
    assert pickle.loads(pickle.dumps(both)) == both


def test_controls_hold_for_every_teacher_of_the_list(folder: Path) -> None:
    shuffled = trial(folder, clip(folder), towers(folder), teacher={"control": "shuffled", "precision": "float32"})
    settings = {(teacher.control, teacher.precision) for teacher, _ in canonical(shuffled).taught_by}
    assert settings == {("shuffled", "float32")}


def test_what_one_of_them_cannot_give_is_named_with_its_place(folder: Path) -> None:
    config = trial(folder, clip(folder), towers(folder), distillation={"terms": {"clip_relational": 1.0}})
    [(path, _, wanted)] = contradictions(config)
    assert path == "distillation.terms.clip_relational"
    assert wanted.endswith("two_towers (teachers.1.model) does not")
    twice = trial(folder, clip(folder), clip(folder, weight=2.0))
    assert [path for path, _, _ in contradictions(twice)] == ["teachers.1"]


STUDY = """
study: ensemble
question: Do two teachers teach more than one?
base:
  task: {{name: snli_ve, data: mini}}
  distillation: {{terms: {{image: 1.0, text: 1.0}}}}
arms:
  listed:
    one: {{}}
    two: {{teachers: [{{model: mini_dual_encoder}}, {{model: ViT-B-32, weight: {weight}}}]}}
search: {{trials: 1, batch: 1, space: {{}}}}
seeds: {{search: [0], confirm: [1, 2]}}
evaluate: [val, test]
"""


def test_a_study_file_lists_teachers(tmp_path: Path) -> None:
    from ablative.orchestrator.commands.composition import load

    (tmp_path / "s.yaml").write_text(STUDY.format(weight=0.5))
    cells = {cell.arm: cell.config for cell in load(str(tmp_path / "s.yaml")).cells}
    assert [weight for _, weight in cells["two"].taught_by] == [1.0, 0.5]
    (tmp_path / "s.yaml").write_text(STUDY.format(weight="heavy"))
    with pytest.raises(StudyError, match=r"teachers"):
        load(str(tmp_path / "s.yaml"))
