from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from cluster.board import Board
from cluster.board import GroupReplaced
from trainables.config import TrialConfig
from trainables.job import CurvePoint
from trainables.job import TrialJob
from trainables.job import TrialOutcome

COMPLETED = TrialOutcome(status="completed", metrics={"val/accuracy": 0.5})
FAILED = TrialOutcome(status="failed", cause="out_of_memory", error="MemoryError")
ECHO = TrialOutcome(status="failed", cause="trainable_error", error="connection closed by peer")


def job(trial_id: str) -> TrialJob:
    return TrialJob(trial_id=trial_id, config=TrialConfig(), seed=0, evaluate=("val",), cache="/cache")


def play(scene: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scene, timeout=2))


async def start(board: Board, *trial_ids: str) -> None:
    for trial_id in trial_ids:
        await board.offer(job(trial_id))


def test_a_group_waits_for_a_trial() -> None:
    async def scene() -> None:
        board = Board()
        await board.join(0, "a", size=1, rank=0, pid=11)
        taking = asyncio.create_task(board.take(0, "a", 0))
        await asyncio.sleep(0.01)
        assert not taking.done()
        await board.offer(job("t1"))
        taken = await taking
        assert taken is not None and taken.trial_id == "t1"

    play(scene())


def test_every_rank_gets_the_same_trials_in_the_same_order() -> None:
    async def scene() -> None:
        board = Board()
        for rank in (0, 1):
            await board.join(0, "a", size=2, rank=rank, pid=10 + rank)
        await start(board, "t1", "t2")
        taken = [await board.take(0, "a", index) for index in (0, 1) for _ in (0, 1)]
        assert [order.trial_id for order in taken if order is not None] == ["t1", "t1", "t2", "t2"]

    play(scene())


def test_a_trial_ends_when_all_ranks_have_reported_with_the_outcome_of_rank_zero() -> None:
    async def scene() -> None:
        board = Board()
        await board.join(0, "a", size=2, rank=0, pid=10)
        await start(board, "t1")
        await board.take(0, "a", 0)
        await board.settle(0, "a", 1, TrialOutcome(status="completed"))
        assert await board.collect("t1") is None
        await board.settle(0, "a", 0, COMPLETED)
        collected = await board.collect("t1")
        assert collected is not None and collected.outcome == COMPLETED
        assert await board.collect("t1") is None

    play(scene())


def test_the_first_failure_of_a_rank_is_the_cause_and_its_group_is_given_up() -> None:
    async def scene() -> None:
        board = Board()
        await board.join(0, "a", size=2, rank=0, pid=10)
        await start(board, "t1")
        await board.take(0, "a", 0)
        await board.settle(0, "a", 1, FAILED)
        await board.settle(0, "a", 0, ECHO)
        collected = await board.collect("t1")
        assert collected is not None and collected.outcome.cause == "out_of_memory"
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
        points, ended = await board.watch("t1", 0)
        assert (points, ended) == ((), True)
        collected = await board.collect("t1")
        assert collected is not None and collected.outcome == FAILED

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
        collected = await board.collect("t1")
        assert collected is not None and collected.outcome.cause == "worker_lost"
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
        collected = await board.collect("t1")
        assert collected is not None and collected.outcome.cause == "worker_lost"
        assert await board.pids() == {0: {0: 11}}
        with pytest.raises(GroupReplaced):
            await board.settle(0, "a", 0, COMPLETED)

    play(scene())


def test_watching_gives_each_point_once_and_then_the_end() -> None:
    async def scene() -> None:
        board = Board()
        point = CurvePoint(step=1, split="val", metric="accuracy", value=0.5, seconds=0.1)
        await board.join(0, "a", size=1, rank=0, pid=10)
        await start(board, "t1")
        await board.take(0, "a", 0)
        await board.report("t1", point)
        assert await board.watch("t1", 0) == ((point,), False)
        await board.settle(0, "a", 0, COMPLETED)
        assert await board.watch("t1", 1) == ((), True)

    play(scene())


def test_closing_sends_idle_workers_home_and_lets_watchers_go() -> None:
    async def scene() -> None:
        board = Board()
        await board.join(0, "a", size=1, rank=0, pid=10)
        await start(board, "t1")
        await board.take(0, "a", 0)
        waiting = asyncio.gather(board.take(0, "a", 1), board.watch("t1", 0))
        await asyncio.sleep(0)
        await board.close()
        assert await waiting == [None, ((), True)]

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
