"""On a pipe nothing is silent for longer than ten seconds, whatever goes on."""

from __future__ import annotations

import io
import re

import pytest

from ablative.orchestrator.showing.display import EVERY_S
from ablative.orchestrator.showing.display import PlainDisplay
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study
from tests.helpers.simulated import run_one


class Run:
    """A display, a clock that is set, and what was written when."""

    def __init__(self) -> None:
        self.now = 0.0
        self.stream = io.StringIO()
        self.display = PlainDisplay(self.stream, clock=lambda: self.now)
        self.silences: list[float] = []
        self._heard, self._length = 0.0, 0

    def wait(self, seconds: int) -> None:
        """Let time pass, the display's thread looking once a second."""
        for _ in range(seconds):
            self.now += 1.0
            self.display.beat()
            self.hear()

    def hear(self) -> None:
        """Look whether something was written."""
        if len(self.stream.getvalue()) > self._length:
            self.silences.append(self.now - self._heard)
            self._heard, self._length = self.now, len(self.stream.getvalue())

    @property
    def lines(self) -> list[str]:
        """What was written."""
        return self.stream.getvalue().splitlines()


@pytest.fixture
def run() -> Run:
    return Run()


def test_a_slow_first_run_is_never_silent(run: Run) -> None:
    run.display.doing("starting the workers")
    run.wait(70)
    for done in range(0, 5771, 577):  # a step of a slow stage
        run.display.preparing("region features", done, 5771)
        run.hear()
        run.wait(54)
    queue = make_queue(make_study())
    run.display.start(queue)
    first, second = queue.next(), queue.next()
    assert first is not None and second is not None
    run.wait(140)
    for trial in (first, second):
        record = run_one(trial)
        queue.record(record)
        run.display.finished(record, queue)
        run.wait(60)

    assert max(run.silences) <= EVERY_S
    assert "starting the workers, 1 min 03 s so far" in run.lines
    told = [line for line in run.lines if line.startswith("prepare: region features 577/5771, 10 %, ")]
    assert told and all("/s, about " in line and line.endswith(" left") for line in told)
    assert "simulated: workers are starting and running the first trials, 18 s so far  [42 owed]" in run.lines
    assert "running, the last one ended 54 s ago" in run.lines[-1]


def test_what_happens_before_the_first_stage_is_not_silent_either(run: Run) -> None:
    run.wait(20)
    assert run.lines == ["loading, 9 s so far", "loading, 18 s so far"]


def test_a_quick_stage_takes_two_lines(run: Run) -> None:
    for done in range(101):
        run.display.preparing("teacher labels", done, 100)
    assert run.lines == ["prepare: teacher labels 0/100", "prepare: teacher labels 100/100"]


def test_no_time_left_is_told_before_each_slot_has_ended_a_trial(run: Run) -> None:
    queue = make_queue(make_study())
    run.display.start(queue)
    running = [queue.next() for _ in range(3)]
    for trial in running:
        assert trial is not None
        run.now += 100
        record = run_one(trial)
        queue.record(record)
        run.display.finished(record, queue)

    *early, last = run.lines[1:]
    assert not any("left" in line for line in early)
    assert "owed, about" in last


def test_long_trials_say_how_far_they_are_and_when_all_will_have_ended(run: Run) -> None:
    queue = make_queue(make_study())
    shares: dict[str, float] = {}
    run.display.start(queue, reached=lambda: shares)
    first, second = queue.next(), queue.next()
    assert first is not None and second is not None
    run.wait(20)
    assert run.lines[-1].endswith("workers are starting and running the first trials, 18 s so far  [42 owed]")
    for minute in range(1, 11):
        shares.update({first.id: 0.04 * minute, second.id: 0.06 * minute})
        run.wait(60)
    assert "2 running, 50 % of them done, 10 min" in run.lines[-1]
    left = re.search(r"42 owed, about (\d+) h (\d+) min left", run.lines[-1])
    assert left is not None
    assert int(left[1]) * 60 + int(left[2]) == pytest.approx((42 - 1) / 0.1, rel=0.1)  # a tenth of a trial a minute


def test_a_closed_pipe_does_not_end_the_run_from_the_display_s_thread(run: Run) -> None:
    with run.display:
        run.display.doing("x")
        run.stream.close()
        run.now = 100.0
    assert run.display._left.is_set()


def test_what_a_run_waits_for_is_told_within_ten_seconds_and_with_the_trials_from_then_on(run: Run) -> None:
    run.display.preparing("preparing the data waits for 1 CPU on one machine", 0, 0)
    run.display.preparing("preparing the data waits for 1 CPU on one machine", 0, 0)
    run.wait(9)
    run.display.start(make_queue(make_study()), lambda: "1 of 2 worker groups waits for 1 CPU on one machine")
    run.wait(9)

    first, second, _, last = run.lines
    assert first == "prepare: preparing the data waits for 1 CPU on one machine"
    assert second == "preparing the data waits for 1 CPU on one machine, 9 s so far"
    assert last.endswith("9 s so far; 1 of 2 worker groups waits for 1 CPU on one machine  [42 owed]")
    assert max(run.silences) <= EVERY_S
