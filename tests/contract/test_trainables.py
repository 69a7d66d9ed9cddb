"""Every trainable that ships, and those of the documents, pass the contract; and the contract catches faults."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic import Field

from ablative.frozen import Frozen
from ablative.testing.trainables import TrainableContract
from ablative.testing.trainables import Trials
from ablative.trainables.config import TrialConfig
from ablative.trainables.course import Course
from ablative.trainables.job import CurvePoint
from ablative.trainables.job import Link
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from ablative.trainables.parts.catalogue import bundled
from ablative.trainables.parts.sources import catalogue
from ablative.trainables.parts.trainable import Roles
from ablative.trainables.parts.trainable import Trainable

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


class TestSimulated(TrainableContract):
    @pytest.fixture
    def part(self) -> Trainable:
        return bundled().of(Trainable)["simulated"]

    @pytest.fixture
    def config(self, part: Trainable) -> Any:
        return part.config_type(bundled())(seconds=1.0)  # of its own clock: no limit is below nothing


@pytest.mark.slow
class TestDigits(TrainableContract):
    @pytest.fixture
    def part(self) -> Trainable:
        return catalogue([EXAMPLES / "digits_distillation.py"]).of(Trainable)["digits_distillation"]

    @pytest.fixture
    def diverging(self, part: Trainable) -> Any:
        return part.config_type(bundled())().model_copy(update={"lr": 1e30})


@pytest.mark.slow
class TestTransformersTrainer(TrainableContract):
    @pytest.fixture
    def part(self) -> Trainable:
        pytest.importorskip("accelerate", reason="accelerate is not installed; the extra `dev` brings it")
        return catalogue([EXAMPLES / "transformers_trainer.py"]).of(Trainable)["transformers_trainer"]

    @pytest.fixture
    def config(self, part: Trainable) -> Any:
        return part.config_type(bundled())(steps=12, evaluations=2)

    @pytest.fixture
    def diverging(self, config: Any) -> Any:
        return config.model_copy(update={"lr": 1e30})


@pytest.mark.slow
class TestClipTd(TrainableContract):
    """On the bundled benchmark, at its smallest, and without a teacher, which takes minutes to be made."""

    @pytest.fixture
    def part(self) -> Trainable:
        return bundled().of(Trainable)["clip_td"]

    @pytest.fixture
    def config(self) -> Any:
        return TrialConfig.model_validate(
            {
                "task": {"name": "snli_ve", "data": "mini_smoke"},
                "optim": {"min_steps": 4, "max_steps": 4, "evaluations": 2},
            }
        )

    @pytest.fixture
    def diverging(self, config: Any) -> Any:
        return config.model_copy(
            update={"optim": config.optim.model_copy(update={"lr": 1e30, "warmup_fraction": 0.0})}
        )


class Config(Frozen):
    trick: bool = Field(False, description="Whether the trick is on.")
    size: float = Field(0.1, ge=0, le=1, description="Of the trick; it has no effect without it.")
    evaluations: int = Field(3, ge=1, description="How often val is evaluated.")


def canonical(config: Config) -> Config:
    return config if config.trick else config.model_copy(update={"size": 0.1})


def run(job: TrialJob, link: Link) -> TrialOutcome:
    """Add a number of the seed's from evaluation to evaluation; the sum is the state."""
    course = Course(job, link, evaluations=job.config.evaluations)
    value = float(course.resumed or b"0")
    for number in course:
        value += (0.1 + job.config.size * job.config.trick) * job.seed
        course.report(number, value.__float__, str(value).encode)
    return course.outcome(lambda split: value - len(split))


SOUND = Trainable(
    name="sound",
    description="Sums up.",
    config=Config,
    run=run,
    canonical=canonical,
    roles=Roles(evaluations="evaluations"),
    arms={"tricked": {"trick": True}},
)


class TestOneOfOnesOwn(TrainableContract):
    @pytest.fixture
    def part(self) -> Trainable:
        return SOUND


class Loose(BaseModel):
    evaluations: int = 3


class Owing(Frozen):
    rate: float
    evaluations: int = 3


@dataclass(slots=True)
class Silent:
    """A link that keeps to itself what it is told, apart from some of it."""

    link: Link
    saves: bool = True
    loads: bool = True
    listens: bool = True
    reports: bool = True

    def report(self, point: CurvePoint) -> None:
        if self.reports:
            self.link.report(point)

    def reached(self, share: float) -> None:
        self.link.reached(share)

    def stop_requested(self) -> bool:
        return self.link.stop_requested() and self.listens

    def load(self) -> bytes | None:
        return self.link.load() if self.loads else None

    def save(self, content: bytes) -> None:
        if self.saves:
            self.link.save(content)

    def keep(self, student: bytes) -> None:
        self.link.keep(student)


def through(**deaf: bool) -> Callable[[TrialJob, Link], TrialOutcome]:
    return lambda job, link: run(job, Silent(link, **deaf))


def without(**changes: Any) -> Callable[[TrialJob, Link], TrialOutcome]:
    """Runs each trial as if its job said something else."""
    return lambda job, link: run(replace(job, **changes), link)


def val_only(job: TrialJob, link: Link) -> TrialOutcome:
    return run(replace(job, evaluate=("val",)), link)


def always_test(job: TrialJob, link: Link) -> TrialOutcome:
    return run(replace(job, evaluate=("val", "test")), link)


def counting(numbers: Iterator[int]) -> Callable[[TrialJob, Link], TrialOutcome]:
    def counted(job: TrialJob, link: Link) -> TrialOutcome:
        found = run(job, link)
        return replace(found, metrics={name: value + next(numbers) for name, value in found.metrics.items()})

    return counted


def forgetful(job: TrialJob, link: Link) -> TrialOutcome:
    """Goes on from its checkpoint, and leaves the sum behind."""
    course = Course(job, link, evaluations=job.config.evaluations)
    value = 0.0
    for number in course:
        value += 0.1
        course.report(number, value.__float__, lambda: b"")
    return course.outcome(lambda split: value)


def trusting(job: TrialJob, link: Link) -> TrialOutcome:
    """Goes on from any checkpoint, without a course."""
    done, value = json.loads(link.load() or b"[0, 0.0]")
    curve = []
    for number in range(done + 1, 4):
        value += 0.1 * job.seed
        curve.append(CurvePoint(step=number, split="val", metric="accuracy", value=value, seconds=0.0))
        link.report(curve[-1])
        link.save(json.dumps([number, value]).encode())
        if job.pause_after == number:
            return TrialOutcome(status="paused", curve=tuple(curve))
    return TrialOutcome(status="completed", curve=tuple(curve), metrics=dict.fromkeys(("val/accuracy",), value))


def once(job: TrialJob, link: Link) -> TrialOutcome:
    return run(replace(job, config=job.config.model_copy(update={"evaluations": 2})), link)


def unsaid(job: TrialJob, link: Link) -> TrialOutcome:
    """What was NaN is left out."""
    return TrialOutcome(status="failed", cause="trainable_error", error="loss is nan")


C = TrainableContract
FAULTS: dict[str, tuple[Trainable, Any, str]] = {
    "takes unknown keys": (
        replace(SOUND, config=Loose, canonical=lambda config: config),
        C.test_its_configuration_is_frozen_and_has_defaults_only,
        "takes unknown keys",
    ),
    "lacks a default": (
        replace(SOUND, config=Owing),
        C.test_its_configuration_is_frozen_and_has_defaults_only,
        "rate has no default",
    ),
    "has a canonical form that goes on and on": (
        replace(SOUND, canonical=lambda config: config.model_copy(update={"evaluations": config.evaluations + 1})),
        C.test_the_canonical_form_is_its_own_and_keeps_the_identity,
        "canonical twice is not canonical once",
    ),
    "forgets a setting in its identity": (
        replace(SOUND, identity=lambda config: {}),
        C.test_its_identity_tells_apart_what_its_canonical_form_does,
        "are different, and have one identity",
    ),
    "gives a role to no setting": (
        replace(SOUND, roles=Roles(data_fraction="fraction")),
        C.test_the_paths_of_its_roles_are_settings,
        "roles.data_fraction is 'fraction', which is not one of its settings",
    ),
    "has an arm of another method": (
        replace(SOUND, arms={"other": {"terms.image": 1.0}}),
        C.test_its_arms_are_valid_changes_of_its_configuration,
        "arm other: .*terms",
    ),
    "has an arm with a value that is not taken": (
        replace(SOUND, arms={"other": {"size": 7.0}}),
        C.test_its_arms_are_valid_changes_of_its_configuration,
        "(?s)arm other: .*less than or equal to 1",
    ),
    "lists a split twice": (
        replace(SOUND, splits=lambda config: ("train", "val", "test", "test")),
        C.test_its_splits_begin_with_train_and_have_val_and_a_test,
        "one of them twice",
    ),
    "leaves a split out": (
        replace(SOUND, run=val_only),
        C.test_a_trial_is_completed_with_the_target_of_every_split,
        "test/accuracy is missing",
    ),
    "looks at the test unasked": (
        replace(SOUND, run=always_test),
        C.test_one_split_alone_is_measured_when_no_other_is_asked_for,
        "evaluates val alone, but the outcome has test/accuracy",
    ),
    "reports nothing": (
        replace(SOUND, run=through(reports=False)),
        C.test_its_curve_is_handed_in_as_it_comes,
        "no val/accuracy was reported",
    ),
    "evaluates less often than it says": (
        replace(SOUND, run=once),
        C.test_its_curve_is_handed_in_as_it_comes,
        "2 evaluations were reported; evaluations says 3",
    ),
    "remembers earlier trials": (
        replace(SOUND, run=counting(iter(range(100)))),
        C.test_a_seed_decides_all_of_a_trial,
        "the same seed gave other metrics",
    ),
    "saves nothing": (
        replace(SOUND, run=through(saves=False)),
        C.test_a_paused_trial_goes_on_as_if_nothing_had_happened,
        "has saved nothing",
    ),
    "starts anew": (
        replace(SOUND, run=through(loads=False)),
        C.test_a_paused_trial_goes_on_as_if_nothing_had_happened,
        "it started from the beginning",
    ),
    "goes on without its state": (
        replace(SOUND, run=forgetful),
        C.test_a_paused_trial_goes_on_as_if_nothing_had_happened,
        "resumed, it has other metrics",
    ),
    "does not pause": (
        replace(SOUND, run=without(pause_after=None)),
        C.test_a_paused_trial_goes_on_as_if_nothing_had_happened,
        "the trial is completed .none.; wanted paused",
    ),
    "goes on from any checkpoint": (
        replace(SOUND, run=trusting),
        C.test_the_checkpoint_of_another_trial_is_left_alone,
        "it went on from b'.1, ",
    ),
    "does not listen": (
        replace(SOUND, run=through(listens=False)),
        C.test_it_stops_when_it_is_asked_to,
        "wanted stopped",
    ),
    "ignores floors": (replace(SOUND, run=without(floors=())), C.test_it_stops_below_a_floor, "wanted stopped"),
    "ignores its time": (
        replace(SOUND, run=without(time_limit_s=None)),
        C.test_it_heeds_the_time_limit,
        "the trial is completed .none.; wanted failed",
    ),
    "does not say that it diverged": (
        replace(SOUND, run=unsaid),
        C.test_what_diverges_is_a_result_with_a_named_cause,
        "it diverged as trainable_error",
    ),
}


def diverged(job: TrialJob, link: Link) -> TrialOutcome:
    course = Course(job, link, evaluations=1)
    for _ in course:
        course.report(1, lambda: math.nan)
    return course.outcome(lambda split: math.nan)


def _checked(test: Any, part: Trainable, folder: Path) -> None:
    """Run one test of the contract with the fixtures that it asks for."""
    config = part.config_type(bundled()).model_construct(evaluations=3)
    if part.config is not Owing:
        config = part.config_type(bundled())()
    fixtures = {
        "part": part,
        "config": config,
        "trials": Trials(part=part, config=config, target="accuracy", cache=folder),
        "diverging": config,
    }
    names = test.__code__.co_varnames[1 : test.__code__.co_argcount]
    test(TrainableContract(), **{name: fixtures[name] for name in names})


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault: str, tmp_path: Path) -> None:
    """By one test of the contract, which passes for the sound trainable."""
    part, test, said = FAULTS[fault]

    diverges = test is C.test_what_diverges_is_a_result_with_a_named_cause
    _checked(test, replace(SOUND, run=diverged) if diverges else SOUND, tmp_path)
    with pytest.raises((AssertionError, pytest.fail.Exception), match=said):
        _checked(test, part, tmp_path)


@pytest.mark.slow
def test_the_method_on_the_page_runs_is_judged_and_passes_its_test(tmp_path: Path) -> None:
    """As a person has it who copies the three snippets into a folder of her own."""
    page = (EXAMPLES.parent / "extend.md").read_text(encoding="utf-8").partition("## A trainable: your own method")[2]
    snippets = re.findall(r"^```(?:python|yaml)\n(.*?)^```", page.partition("\n## ")[0], re.MULTILINE | re.DOTALL)
    names = ("descent.py", "descent.yaml", "test_descent.py")
    for name, snippet in zip(names, snippets, strict=True):
        (tmp_path / name).write_text(snippet, encoding="utf-8")

    def run(*words: str) -> str:
        ran = subprocess.run([sys.executable, "-m", *words], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    command = ("ablative.orchestrator.commands.cli", "run", "descent.yaml", "--with", "descent.py", "--store", "store")
    assert "heavy_ball is " in run(*command, "--executor", "inline")
    tests = [name for name in vars(TrainableContract) if name.startswith("test_")]
    told = run("pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", ".")
    assert f"{len(tests)} passed" in told
