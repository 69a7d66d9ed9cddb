from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import pytest

from ablative.cluster.board import ANY
from ablative.cluster.board import Board
from ablative.cluster.board import GroupReplaced
from ablative.cluster.tickets import Later
from ablative.trainables.config import TrialConfig
from ablative.trainables.job import CurvePoint
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome

COMPLETED = TrialOutcome(status="completed", metrics={"val/accuracy": 0.5})
PREEMPTED = TrialOutcome(status="failed", cause="preempted")
FAILED = TrialOutcome(status="failed", cause="out_of_memory", error="MemoryError")
ECHO = TrialOutcome(status="failed", cause="trainable_error", error="connection closed by peer")


def job(trial_id: str) -> TrialJob:
    return TrialJob(trial_id=trial_id, config=TrialConfig(), seed=0, evaluate=("val",), cache="/cache")


def play(scene: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scene, timeout=2))


async def ended(board: Board) -> dict[str, TrialOutcome]:
    """What the board says has ended since it was asked last."""
    return {collected.trial_id: collected.outcome for collected in (await board.news()).ended}


async def start(board: Board, *trial_ids: str) -> None:
    await board.offer(*((job(trial_id), ANY) for trial_id in trial_ids))


def test_a_group_waits_for_a_trial() -> None:
    async def scene() -> None:
        board = Board()
        await board.join(0, "a", size=1, rank=0, pid=11)
        taking = asyncio.create_task(board.take(0, "a", 0))
        await asyncio.sleep(0.01)
        assert not taking.done()
        await board.offer((job("t1"), ANY))
        taken = await taking
        assert taken is not None and taken.trial_id == "t1"

    play(scene())


def test_every_rank_gets_the_same_trials_in_the_same_order() -> None:
    async def scene() -> None:
        board = Board()
        for rank in (0, 1):
            await board.join(0, "a", size=2, rank=rank, pid=10 + rank)
        await start(board, "t1", "t2")
        taken = []
        for index in (0, 1):
            taken += [await board.take(0, "a", index) for _ in (0, 1)]
            for rank in (0, 1):
                await board.settle(0, "a", rank, COMPLETED)
        assert [order.trial_id for order in taken if order is not None] == ["t1", "t1", "t2", "t2"]

    play(scene())


def test_a_rank_that_is_done_early_waits_for_the_others() -> None:
    async def scene() -> None:
        board = Board()
        for rank in (0, 1):
            await board.join(0, "a", size=2, rank=rank, pid=10 + rank)
        await start(board, "t1", "t2")
        await board.take(0, "a", 0)
        await board.settle(0, "a", 0, COMPLETED)
        early = asyncio.create_task(board.take(0, "a", 1))
        await asyncio.sleep(0.01)
        assert not early.done()
        await board.settle(0, "a", 1, TrialOutcome(status="completed"))
        following = await early
        assert following is not None and following.trial_id == "t2"
        assert await ended(board) == {"t1": COMPLETED}

    play(scene())


def test_a_trial_ends_when_all_ranks_have_reported_with_the_outcome_of_rank_zero() -> None:
    async def scene() -> None:
        board = Board()
        await board.join(0, "a", size=2, rank=0, pid=10)
        await start(board, "t1")
        await board.take(0, "a", 0)
        await board.settle(0, "a", 1, TrialOutcome(status="completed"))
        assert await ended(board) == {}
        await board.settle(0, "a", 0, COMPLETED)
        assert await ended(board) == {"t1": COMPLETED}
        assert await ended(board) == {}

    play(scene())


def test_the_first_failure_of_a_rank_is_the_cause_and_its_group_is_given_up() -> None:
    async def scene() -> None:
        board = Board()
        await board.join(0, "a", size=2, rank=0, pid=10)
        await start(board, "t1")
        await board.take(0, "a", 0)
        await board.settle(0, "a", 1, FAILED)
        await board.settle(0, "a", 0, ECHO)
        assert (await ended(board))["t1"].cause == "out_of_memory"
        with pytest.raises(GroupReplaced):
            await board.take(0, "a", 1)

    play(scene())


def test_a_rank_that_fails_alone_ends_the_trial_after_the_grace_period() -> None:
    async def scene() -> None:
        board = Board(grace_s=0.01)
        await board.join(0, "a", size=2, rank=0, pid=10)
        await start(board, "t1")
        await board.take(0, "a", 0)
        await board.settle(0, "a", 1, FAILED)
        await board.news_of(0, 0)
        assert await ended(board) == {"t1": FAILED}

    play(scene())


def test_ranks_that_fail_alike_keep_their_group() -> None:
    async def scene() -> None:
        board = Board()
        diverged = TrialOutcome(status="failed", cause="non_finite")
        await board.join(0, "a", size=2, rank=0, pid=10)
        await start(board, "t1", "t2")
        await board.take(0, "a", 0)
        for rank in (1, 0):
            await board.settle(0, "a", rank, diverged)
        following = await board.take(0, "a", 1)
        assert following is not None and following.trial_id == "t2"

    play(scene())


def test_a_lost_group_ends_its_trial_and_leaves_the_waiting_one() -> None:
    async def scene() -> None:
        board = Board()
        await board.join(0, "a", size=1, rank=0, pid=10)
        await start(board, "t1", "t2")
        await board.take(0, "a", 0)
        await board.lose(0, "worker_lost", "killed")
        assert (await ended(board))["t1"].cause == "worker_lost"
        await board.join(0, "b", size=1, rank=0, pid=12)
        taken = await board.take(0, "b", 0)
        assert taken is not None and taken.trial_id == "t2"

    play(scene())


def test_a_new_group_in_a_slot_ends_what_the_old_one_was_doing() -> None:
    async def scene() -> None:
        board = Board()
        await board.join(0, "a", size=1, rank=0, pid=10)
        await start(board, "t1")
        await board.take(0, "a", 0)
        await board.join(0, "b", size=1, rank=0, pid=11)
        assert (await ended(board))["t1"].cause == "worker_lost"
        assert await board.pids() == {0: {0: 11}}
        with pytest.raises(GroupReplaced):
            await board.settle(0, "a", 0, COMPLETED)

    play(scene())


def test_news_has_each_point_once_and_then_the_end() -> None:
    async def scene() -> None:
        board = Board(keep_points=True)
        point = CurvePoint(step=1, split="val", metric="accuracy", value=0.5, seconds=0.1)
        await board.join(0, "a", size=1, rank=0, pid=10)
        await start(board, "t1")
        await board.take(0, "a", 0)
        await board.report("t1", point)
        assert await board.news_of(0, 0) == (1, False)
        assert (await board.news()).points == (("t1", point),)
        await board.settle(0, "a", 0, COMPLETED)
        assert await board.news_of(0, 1) == (2, False)
        news = await board.news()
        assert news.points == ()
        assert [collected.trial_id for collected in news.ended] == ["t1"]

    play(scene())


def test_groups_on_a_machine_that_is_taken_away_end_and_the_others_stay() -> None:
    async def scene() -> None:
        board = Board()
        await board.join(0, "a", size=2, rank=0, pid=10, node="left")
        await board.join(0, "a", size=2, rank=1, pid=11, node="right")
        await board.join(1, "b", size=1, rank=0, pid=12, node="left")
        await start(board, "t1")
        assert await board.take(0, "a", 0) == await board.take(0, "a", 0) is not None
        await board.drain({"right"})
        assert [await board.is_drained(slot) for slot in (0, 1, 2)] == [True, False, False]

        await board.settle(0, "a", 0, PREEMPTED)
        await board.settle(0, "a", 1, PREEMPTED)
        assert (await ended(board))["t1"].cause == "preempted"
        await start(board, "t1")
        assert await board.take(0, "a", 1) is None
        again = await board.take(1, "b", 0)
        assert again is not None and again.trial_id == "t1"

    play(scene())


def test_closing_sends_idle_workers_home_and_lets_lanes_go() -> None:
    async def scene() -> None:
        board = Board()
        await board.join(0, "a", size=1, rank=0, pid=10)
        await start(board, "t1")
        await board.take(0, "a", 0)
        waiting = asyncio.gather(board.take(0, "a", 1), board.news_of(0, 0))
        await asyncio.sleep(0)
        await board.close()
        assert await waiting == [None, (0, True)]

    play(scene())


def test_a_cancelled_trial_is_told_and_its_group_takes_the_next() -> None:
    async def scene() -> None:
        board = Board()
        await board.join(0, "a", size=1, rank=0, pid=10)
        await start(board, "t1", "t2")
        await board.take(0, "a", 0)
        assert not await board.is_cancelled("t1", "a")
        await board.cancel("t1")
        assert await board.is_cancelled("t1", "a")
        await board.settle(0, "a", 0, TrialOutcome(status="stopped", cause="cancelled"))
        following = await board.take(0, "a", 1)
        assert following is not None and following.trial_id == "t2"
        assert not await board.is_cancelled("t2", "a")

    play(scene())


def test_a_group_that_was_replaced_is_told_to_stop_the_trial_that_another_one_runs_by_now() -> None:
    async def scene() -> None:
        board = Board()
        await board.join(0, "cut off", size=1, rank=0, pid=10)
        await start(board, "t1")
        await board.take(0, "cut off", 0)
        await board.lose(0, "preempted", "its machine does not answer")
        await board.news()
        assert await board.is_cancelled("t1", "cut off")
        await start(board, "t1")
        await board.join(0, "new", size=1, rank=0, pid=11)
        await board.take(0, "new", 0)
        assert await board.is_cancelled("t1", "cut off")
        assert not await board.is_cancelled("t1", "new")

    play(scene())


def test_calls_that_wait_leave_places_for_others_and_come_to_their_turn() -> None:
    async def scene() -> None:
        board = Board(places=2)
        for slot in range(4):
            await board.join(slot, "a", size=1, rank=0, pid=10 + slot)
        waiting = [asyncio.create_task(board.take(slot, "a", 0)) for slot in range(2)]
        await asyncio.sleep(0.01)
        assert isinstance(await board.take(2, "a", 0), Later)
        assert isinstance(await board.news_of(3, 0), Later)
        await start(board, "t1", "t2", "t3")
        assert {job.trial_id for job in await asyncio.gather(*waiting) if isinstance(job, TrialJob)} == {"t1", "t2"}
        taken = await board.take(2, "a", 0)
        assert isinstance(taken, TrialJob) and taken.trial_id == "t3"

    play(scene())


def test_news_of_a_slot_wakes_its_lane_alone() -> None:
    async def scene() -> None:
        board = Board()
        await board.join(0, "a", size=1, rank=0, pid=10)
        lanes = [asyncio.create_task(board.news_of(lane, 0)) for lane in range(2)]
        await asyncio.sleep(0.01)
        looked = Counter[int]()
        board._news = Looked(looked)
        await start(board, "t1")
        await board.take(0, "a", 0)
        await board.settle(0, "a", 0, COMPLETED)
        await asyncio.sleep(0.01)
        assert lanes[0].done() and not lanes[1].done()
        assert looked[0] and not looked[1]
        await board.close()
        await asyncio.gather(*lanes)

    play(scene())


class Looked(Counter[int]):
    """Counts how often something is looked up."""

    def __init__(self, looked: Counter[int]) -> None:
        super().__init__()
        self._looked = looked

    def __getitem__(self, lane: int) -> int:
        self._looked[lane] += 1
        return super().__getitem__(lane)


@pytest.mark.parametrize("worn", ["trials", "memory", "out_of_memory"])
def test_a_worn_group_is_sent_home_and_the_next_takes_over(worn: str) -> None:
    async def scene() -> None:
        board = Board(
            trials_per_group=1 if worn == "trials" else None, memory_limit_mb=100.0 if worn == "memory" else None
        )
        await board.join(0, "a", size=1, rank=0, pid=10)
        await start(board, "t1", "t2")
        await board.take(0, "a", 0)
        await board.settle(0, "a", 0, FAILED if worn == "out_of_memory" else COMPLETED, 101.0)
        assert await board.take(0, "a", 1) is None
        await board.lose(0, "worker_lost", "its workers ended by themselves")
        await board.join(0, "b", size=1, rank=0, pid=11)
        following = await board.take(0, "b", 0)
        assert following is not None and following.trial_id == "t2"
        assert list(await ended(board)) == ["t1"]

    play(scene())


def test_a_trial_that_hangs_beyond_its_time_is_ended_with_its_group(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[str] = []
    monkeypatch.setattr("ablative.cluster.board.end_worker", killed.append)

    async def scene() -> None:
        board = Board(grace_s=0.01)
        await board.join(0, "a", size=1, rank=0, pid=10, worker="its handle")
        await board.offer((replace(job("t1"), time_limit_s=0.01), ANY))
        await board.take(0, "a", 0)
        await board.news_of(0, 0)
        assert (await ended(board))["t1"].cause == "time_limit"
        await asyncio.sleep(0)
        assert killed == ["its handle"]

    play(scene())


def test_what_a_lost_attempt_has_cost_is_told() -> None:
    async def scene() -> None:
        board = Board()
        await start(board, "t1")
        await asyncio.sleep(0.02)
        await board.join(0, "a", size=1, rank=0, pid=10)
        await board.take(0, "a", 0)
        await asyncio.sleep(0.02)
        await board.lose(0, "worker_lost", "killed")
        (collected,) = (await board.news()).ended
        assert 0.015 < collected.queued_seconds < 1
        assert 0.015 < collected.outcome.seconds < 1

    play(scene())


def test_trouble_reaches_the_driver() -> None:
    async def scene() -> None:
        board = Board()
        await board.join(0, "a", size=1, rank=0, pid=10)
        await board.complain("no space left on device")
        assert await board.news_of(0, 0) == (1, False)
        assert (await board.news()).trouble == "no space left on device"

    play(scene())


def test_offering_a_trial_again_does_not_run_it_twice() -> None:
    async def scene() -> None:
        board = Board()
        await board.join(0, "a", size=1, rank=0, pid=10)
        await start(board, "t1", "t1")
        await board.take(0, "a", 0)
        await start(board, "t1")
        following = asyncio.create_task(board.take(0, "a", 1))
        await asyncio.sleep(0.01)
        assert not following.done()
        following.cancel()

    play(scene())
