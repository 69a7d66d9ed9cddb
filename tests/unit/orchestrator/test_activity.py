"""Stage, share, rate and time left; and no estimate before each slot has ended a trial."""

from __future__ import annotations

import pytest

from ablative.orchestrator.showing.activity import Activity
from ablative.orchestrator.showing.activity import Pace


class FakeClock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_a_stage_tells_share_rate_and_time_left_from_what_it_gained_itself(clock: FakeClock) -> None:
    activity = Activity(clock)
    assert activity.reach("features", 400, 1000), "a stage begins"
    assert activity.line() == "features 400/1000"
    clock.now += 10
    assert not activity.reach("features", 500, 1000)
    assert activity.line() == "features 500/1000, 50 %, 10/s, about 50 s left"
    clock.now += 50
    assert activity.reach("features", 1000, 1000), "a stage ends"
    assert not activity.reach("features", 1000, 1000), "once"
    assert activity.line() == "features 1000/1000, done in 1 min 00 s"


def test_a_total_that_grows_is_no_new_stage_and_a_stage_of_the_same_name_is(clock: FakeClock) -> None:
    activity = Activity(clock)
    assert [activity.reach("rows", done, done + 1) for done in range(3)] == [True, False, False]
    assert activity.reach("rows", 3, 3)
    assert activity.reach("rows", 0, 3), "of the next split"


def test_a_slow_stage_tells_its_rate_by_the_minute_and_one_that_stands_still_its_time(clock: FakeClock) -> None:
    activity = Activity(clock)
    activity.reach("pictures", 4, 5771)
    clock.now += 540
    assert activity.line() == "pictures 4/5771, 9 min 00 s so far"
    activity.reach("pictures", 13, 5771)
    assert activity.line() == "pictures 13/5771, 0 %, 1.0/min, about 95 h 58 min left"


def test_what_cannot_tell_how_far_it_is_tells_how_long_it_takes(clock: FakeClock) -> None:
    activity = Activity(clock)
    assert activity.line() == activity.silence() == ""
    activity.begin("starting the workers")
    clock.now += 71
    assert activity.line() == activity.silence() == "starting the workers, 1 min 11 s so far"


def test_after_a_stage_it_is_told_how_long_the_next_one_lets_nothing_be_heard(clock: FakeClock) -> None:
    activity = Activity(clock)
    activity.reach("labels", 0, 2)
    clock.now += 30
    activity.reach("labels", 2, 2)
    clock.now += 20
    assert activity.silence() == "what follows labels, 20 s so far"


def test_nothing_is_estimated_before_each_slot_has_ended_a_trial(clock: FakeClock) -> None:
    pace = Pace(clock)
    clock.now += 300  # processes start
    pace.tick(seconds=60.0, running=2)
    assert pace.left(100) is None
    pace.tick(seconds=60.0, running=2)
    assert pace.left(99) is None
    pace.tick(seconds=60.0, running=2)
    assert pace.left(30) == pytest.approx(30 * 20.0), "three at a time, and the start of the processes is no trial"


def test_from_the_second_round_on_the_first_no_longer_counts(clock: FakeClock) -> None:
    pace = Pace(clock)
    clock.now += 100
    for _ in range(2):
        pace.tick(seconds=100.0, running=1)
    clock.now += 10
    for _ in range(2):
        pace.tick(seconds=10.0, running=1)
    assert pace.left(10) == pytest.approx(50.0)
    clock.now += 4
    assert pace.left(10) == pytest.approx(46.0), "it counts down between trials"
    clock.now += 1000
    assert pace.left(10) == 0.0


def test_a_quiet_spell_is_counted_from_the_last_trial(clock: FakeClock) -> None:
    pace = Pace(clock)
    clock.now += 40
    assert (pace.ended, pace.quiet) == (0, 40.0)
    pace.tick(seconds=1.0, running=0)
    clock.now += 5
    assert (pace.ended, pace.quiet) == (1, 5.0)


class Played:
    """Two cores with a trial of 32 s on each, one after another, beside other work that takes 45 s."""

    TRIAL_S, BESIDE_S, TRIALS = 32.0, 45.0, 32

    def __init__(self) -> None:
        clock = FakeClock()
        began, self.errors = clock.now, dict[str, float]()
        pace = Pace(clock, lambda: max(0.0, began + self.BESIDE_S - clock.now), cores=2)
        lasts = self.BESIDE_S / 2 + self.TRIAL_S * self.TRIALS / 2
        """Half of each core is the other work's while there is some."""
        done, started = [0.0, 0.0], [clock.now, clock.now]
        while pace.ended < self.TRIALS:
            clock.now += 1
            speed = 1.0 if clock.now > began + self.BESIDE_S else 0.5
            for slot in (0, 1):
                done[slot] += speed / self.TRIAL_S
                if done[slot] >= 1 - 1e-9:
                    pace.tick(seconds=clock.now - started[slot], running=1 - slot)
                    done[slot], started[slot] = 0.0, clock.now
            told = pace.left(self.TRIALS - pace.ended, sum(done), running=2)
            true = began + lasts - clock.now
            if told is not None and true > self.TRIAL_S:
                when = "first" if not pace.ended else "beside" if speed < 1 else "after"
                self.errors[when] = max(self.errors.get(when, 0.0), abs(told / true - 1))


def test_the_estimate_beside_other_work_and_after_it_is_within_a_third_of_what_the_run_takes() -> None:
    played = Played()

    assert set(played.errors) == {"first", "after"}
    assert max(played.errors.values()) < 1 / 3


def test_trials_beside_other_work_that_ended_do_not_make_the_others_look_slow(clock: FakeClock) -> None:
    other = [60.0]
    pace = Pace(clock, lambda: other[0], cores=2)
    assert pace.left(32) is None
    clock.now += 60
    for _ in range(2):
        pace.tick(seconds=60.0, running=1)

    assert pace.left(30) == pytest.approx(60 + 30 * 15 - 30), "a minute more beside it is worth half of one"
    other[0] = 0.0
    assert pace.left(30) == pytest.approx(30 * 15.0)


def test_work_that_all_trials_end_beside_halves_their_speed_to_the_end(clock: FakeClock) -> None:
    pace = Pace(clock, lambda: 3600.0, cores=4)
    clock.now += 40
    for _ in range(4):
        pace.tick(seconds=40.0, running=3)

    assert pace.left(8) == pytest.approx(80.0)
