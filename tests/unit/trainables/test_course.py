"""What ends a course, what it goes on from, and what it tells; without torch."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import dataclass
from dataclasses import field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ablative.trainables.boundary import attempt
from ablative.trainables.course import Course
from ablative.trainables.course import Evaluation
from ablative.trainables.job import Alone
from ablative.trainables.job import Link
from ablative.trainables.job import Prediction
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from ablative.trainables.ranks import Ranks

EVALUATIONS = 4


@dataclass(slots=True)
class Watching(Alone):
    """A link that asks for the end after some evaluation, and keeps every checkpoint."""

    stop_after: int | None = None
    saved: list[bytes] = field(default_factory=list)

    def stop_requested(self) -> bool:
        return len(self.points) == self.stop_after

    def save(self, content: bytes) -> None:
        Alone.save(self, content)
        self.saved.append(content)


def job(**changes: Any) -> TrialJob:
    given = {"trial_id": "t", "config": None, "seed": 1, "evaluate": ("val", "test"), "cache": ".", **changes}
    return TrialJob(**given)


def run(given: TrialJob, link: Link) -> TrialOutcome:
    """Add 0.1 to the target from evaluation to evaluation; the sum is the state."""
    course = Course(given, link, evaluations=EVALUATIONS)
    value = float(course.resumed or b"0")
    for number in course:
        value += 0.1
        course.samples_seen += 8
        course.report(10 * number, partial(float, value), str(value).encode, losses={"loss": 1 / number})
    return course.outcome(lambda split: {"accuracy": value, "f1": value / 2}, facts={"train/examples": 80.0})


def told(outcome: TrialOutcome) -> tuple[Any, ...]:
    curve = [(point.step, point.split, point.metric, point.value) for point in outcome.curve]
    return outcome.status, outcome.cause, outcome.metrics, curve, outcome.samples_seen


def test_a_trial_that_runs_to_its_end_has_every_split_and_its_whole_curve() -> None:
    link = Watching()

    outcome = attempt(run, job(), link)

    assert outcome.status == "completed", outcome.error
    assert outcome.metrics == {
        "val/accuracy": pytest.approx(0.4),
        "val/f1": pytest.approx(0.2),
        "test/accuracy": pytest.approx(0.4),
        "test/f1": pytest.approx(0.2),
        "train/examples": 80.0,
        "train/steps": 40.0,
    }
    assert [(point.step, point.split, point.metric) for point in outcome.curve][:2] == [
        (10, "train", "loss"),
        (10, "val", "accuracy"),
    ]
    assert link.points == [point for point in outcome.curve if point.split == "val"]
    assert len(link.saved) == EVALUATIONS - 1
    assert (outcome.samples_seen, outcome.num_workers, outcome.device) == (32, 1, "cpu")
    assert outcome.device_seconds == outcome.seconds > 0
    assert outcome.peak_memory_mb > 1


def test_a_trial_whose_machine_is_taken_away_saves_between_evaluations_and_goes_on_there() -> None:
    @dataclass(slots=True)
    class TakenAway(Watching):
        def leaving(self) -> bool:
            return True

    def run_by_steps(given: TrialJob, link: Link) -> TrialOutcome:
        course = Course(given, link, evaluations=EVALUATIONS)
        total = int(course.resumed or b"0")
        for number in course:
            for step in range(course.step, 10 * number):
                total += step
                if step == 14:
                    course.check_time(step + 1, str(total).encode)
            course.report(10 * number, partial(float, total / 1000), str(total).encode)
        return course.outcome(lambda split: total / 1000)

    link = TakenAway()
    taken = attempt(run_by_steps, job(), link)
    assert (taken.status, taken.cause, taken.error, taken.seconds) == ("failed", "preempted", "saved at step 15", 0.0)
    assert len(link.points) == 1
    assert told(attempt(run_by_steps, job(), Watching(checkpoint=link.checkpoint))) == told(
        attempt(run_by_steps, job(), Watching())
    )


def test_pausing_at_every_evaluation_changes_nothing() -> None:
    link = Watching()
    for evaluation in range(1, EVALUATIONS):
        paused = attempt(run, job(pause_after=evaluation), link)
        assert (paused.status, paused.metrics, len(link.points)) == ("paused", {}, evaluation)
        assert told(attempt(run, job(pause_after=evaluation), link)) == told(paused)
        assert len(link.points) == evaluation

    assert told(attempt(run, job(), link)) == told(attempt(run, job(), Watching()))


@pytest.mark.parametrize(
    ("of", "checkpoint"),
    [
        (job(), b""),
        (job(), b"something else"),
        (job(), "cut"),
        (job(), "changed"),
        (job(trial_id="other"), "whole"),
    ],
    ids=["empty", "other", "cut", "changed", "of another trial"],
)
def test_a_checkpoint_that_is_not_the_trials_own_is_as_good_as_none(of: TrialJob, checkpoint: bytes | str) -> None:
    whole = Watching()
    attempt(run, job(pause_after=2), whole)
    assert whole.checkpoint is not None
    forms = {
        "cut": whole.checkpoint[:-1],
        "changed": whole.checkpoint.replace(b'"number": 2', b'"number": 3'),
        "whole": whole.checkpoint,
    }
    link = Watching(checkpoint=forms[checkpoint] if isinstance(checkpoint, str) else checkpoint)

    assert told(attempt(run, of, link)) == told(attempt(run, job(), Watching()))
    assert len(link.points) == EVALUATIONS


def test_rules_and_the_engine_end_a_trial_with_its_best_so_far() -> None:
    under = attempt(run, job(floors=((2, 0.5),)), Watching())
    asked = attempt(run, job(), Watching(stop_after=3))

    assert (under.status, under.cause) == ("stopped", "fell_behind")
    assert under.metrics == {"val/accuracy": pytest.approx(0.2), "train/examples": 80.0, "train/steps": 20.0}
    assert (asked.status, asked.cause, asked.metrics["train/steps"]) == ("stopped", "cancelled", 30.0)
    assert attempt(run, job(floors=((2, 0.2),)), Watching()).status == "completed"


def test_less_is_better_where_the_target_says_so() -> None:
    under = attempt(run, job(target=("loss", "min"), floors=((3, 0.05),), evaluate=()), Watching())

    assert (under.status, under.cause) == ("stopped", "fell_behind")
    assert under.metrics["val/loss"] == pytest.approx(0.1)


def test_time_that_is_up_ends_a_trial_and_counts_earlier_attempts() -> None:
    late = attempt(run, job(time_limit_s=1e-9), Watching())
    assert (late.status, late.cause) == ("failed", "time_limit")
    assert "the limit is 1e-09 s" in late.error
    assert late.seconds > 0

    link = Watching()
    course = Course(job(pause_after=1), link, evaluations=2)
    course._started -= 1000
    course.report(1, lambda: 0.5, lambda: b"")
    assert course.ending is not None and course.ending.status == "paused"
    assert attempt(run, job(time_limit_s=900.0), link).cause == "time_limit"


def test_a_target_that_is_not_finite_is_a_named_cause() -> None:
    def broken(given: TrialJob, link: Link, during: float, after: float) -> TrialOutcome:
        course = Course(given, link, evaluations=1)
        for _ in course:
            course.report(1, lambda: during)
        return course.outcome(lambda split: after)

    during = attempt(lambda given, link: broken(given, link, math.nan, 0.5), job(), Watching())
    after = attempt(lambda given, link: broken(given, link, 0.5, math.inf), job(), Watching())

    assert (during.status, during.cause) == (after.status, after.cause) == ("failed", "non_finite")
    assert "val/accuracy is nan at step 1" in during.error
    assert after.error == "val/accuracy is inf"


def test_predictions_and_the_student_are_kept_where_the_job_wants_them() -> None:
    def telling(given: TrialJob, link: Link) -> TrialOutcome:
        course = Course(given, link, evaluations=1)
        for _ in course:
            course.report(1, lambda: 0.5)
        found = (Prediction(split="val", example_id="1", prediction="a", score=1.0),)
        return course.outcome(
            lambda split: Evaluation(metrics={"accuracy": 0.5}, predictions=found), student=lambda: b"weights"
        )

    plain, wanted = Watching(), Watching()
    assert attempt(telling, job(), plain).predictions == ()
    assert len(attempt(telling, job(keep_predictions=True, keep_student=True), wanted).predictions) == 2
    assert (plain.student, wanted.student) == (None, b"weights")


def test_what_a_course_is_not_told_ends_the_trial_with_what_to_do() -> None:
    def silent(given: TrialJob, link: Link) -> TrialOutcome:
        for _ in (course := Course(given, link, evaluations=2)):
            pass
        return course.outcome(lambda split: 0.5)

    def elsewhere(given: TrialJob, link: Link) -> TrialOutcome:
        for _ in (course := Course(given, link, evaluations=2)):
            course.report(1, lambda: {"f1": 0.5})
        return course.outcome(lambda split: 0.5)

    assert "evaluation 1 was not reported exactly once; call course.report" in attempt(silent, job(), Watching()).error
    assert "val has no accuracy, the target of the study; it has f1" in attempt(elsewhere, job(), Watching()).error


def test_it_imports_no_torch() -> None:
    program = "import sys; import ablative.trainables.course; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[3]).returncode == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOf(Ranks):
    """The first of several workers that always agree with it."""

    def gathered(self, value: Any) -> list[Any]:
        return [value] * self.world

    def agreed(self, value: Any) -> Any:
        return value

    def on_first(self, call: Any) -> Any:
        return call()


def went_on(given: TrialJob, first: int, then: int) -> tuple[Course, Watching]:
    """Return the course of `then` workers after the second evaluation of a course of `first` workers."""
    link = Watching(stop_after=2)
    course = Course(given, link, evaluations=EVALUATIONS, ranks=OneOf(rank=0, world=first))
    for number in course:
        course.samples_seen += 8
        course.report(10 * number, partial(float, number), b"state".strip)
    link.stop_after = None
    return Course(given, link, evaluations=EVALUATIONS, ranks=OneOf(rank=0, world=then)), link


def workers(course: Course) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in course._curve if point.metric == "workers"]


def test_an_elastic_trial_goes_on_with_another_number_of_workers_and_its_curve_says_from_which_step() -> None:
    narrowed, _ = went_on(job(elastic=True), 4, 2)

    assert (narrowed.number, narrowed.step, narrowed.samples_seen, narrowed.resumed) == (2, 20, 16, b"state")
    assert workers(narrowed) == [(0, 4.0), (20, 2.0)]
    assert workers(went_on(job(elastic=True), 2, 4)[0]) == [(0, 2.0), (20, 4.0)]
    assert workers(went_on(job(elastic=True), 2, 2)[0]) == [(0, 2.0)]


def test_another_trial_starts_again_with_another_number_of_workers_and_tells_nothing_of_them() -> None:
    again, _ = went_on(job(), 4, 2)

    assert (again.number, again.resumed, workers(again)) == (0, None, [])
    assert went_on(job(), 4, 4)[0].number == 2


def test_device_seconds_are_those_of_the_workers_that_there_were(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("ablative.trainables.course.time.perf_counter", lambda: clock[0])
    link = Watching(stop_after=1)
    course = Course(job(elastic=True), link, evaluations=EVALUATIONS, ranks=OneOf(rank=0, world=4))
    for _ in course:
        clock[0] = 10.0
        course.report(10, partial(float, 1), b"state".strip)
    link.stop_after = None
    course = Course(job(elastic=True), link, evaluations=EVALUATIONS, ranks=OneOf(rank=0, world=2))
    for number in course:
        clock[0] = 10.0 + number
        course.report(10 * number, partial(float, 1))
    outcome = course.outcome(lambda split: 1.0)

    assert (outcome.seconds, outcome.device_seconds) == (14.0, 4 * 10.0 + 2 * 4.0)
