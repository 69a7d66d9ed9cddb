"""The board where the trials of a study need groups of different shapes."""

from __future__ import annotations

import asyncio

from ablative.cluster.board import Board
from ablative.cluster.capacity import Shape
from ablative.cluster.placement import Premises
from tests.unit.cluster.test_board import COMPLETED
from tests.unit.cluster.test_board import FAILED
from tests.unit.cluster.test_board import job
from tests.unit.cluster.test_board import play

ONE = Shape(workers=1, each=(("CPU", 1.0),))
TWO = Shape(workers=2, each=(("CPU", 1.0),))


async def opened(cpus: float, slots: int, **trials: Shape) -> Board:
    board = Board(only=None)
    await board.resize(Premises(slots=slots, nodes=[{"CPU": cpus}]))
    for trial_id, shape in trials.items():
        await board.offer((job(trial_id), shape))
    return board


async def start(board: Board, slot: int) -> Shape | None:
    """Let a group start in a slot, whole."""
    shape = await board.turn(slot)
    if shape is not None:
        for rank in range(shape.workers):
            await board.join(slot, f"group-{slot}", size=shape.workers, rank=rank, pid=rank)
    return shape


async def take(board: Board, slot: int, index: int = 0) -> str:
    taken = await board.take(slot, f"group-{slot}", index)
    return "" if taken is None else taken.trial_id


def test_a_group_takes_the_oldest_trial_of_its_own_shape() -> None:
    async def scene() -> None:
        board = await opened(3.0, 2, t1=TWO, t2=ONE, t3=TWO)
        assert [await start(board, slot) for slot in (0, 1)] == [TWO, ONE]
        assert await take(board, 1) == "t2"
        assert await take(board, 0) == "t1"
        for rank in (0, 1):
            await board.settle(0, "group-0", rank, COMPLETED)
        assert await take(board, 0, 1) == "t3"

    play(scene())


def test_a_slot_waits_until_something_waits_that_fits() -> None:
    async def scene() -> None:
        board = await opened(2.0, 2)
        waiting = asyncio.create_task(start(board, 0))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        await board.offer((job("t1"), ONE))
        assert await waiting == ONE

    play(scene())


def test_an_idle_group_goes_home_for_a_trial_of_another_shape_and_its_slot_starts_that() -> None:
    async def scene() -> None:
        board = await opened(2.0, 2, t1=ONE)
        assert await start(board, 0) == ONE
        assert await take(board, 0) == "t1"
        await board.settle(0, "group-0", 0, COMPLETED)
        following = asyncio.create_task(take(board, 0, 1))
        await asyncio.sleep(0.01)
        assert not following.done()

        await board.offer((job("t2"), TWO))
        assert await following == ""
        await board.lose(0, "worker_lost", "its workers ended by themselves")
        assert await board.made_room(0)
        assert await start(board, 0) == TWO
        assert not await board.made_room(0)
        assert await take(board, 0) == "t2"

    play(scene())


def test_groups_end_their_trial_and_go_home_for_the_oldest_and_take_nothing_younger() -> None:
    async def scene() -> None:
        board = await opened(2.0, 2, t1=ONE, t2=ONE, wide=TWO, t3=ONE, t4=ONE)
        for slot in (0, 1):
            assert await start(board, slot) == ONE
            await take(board, slot)
        for slot in (0, 1):
            await board.settle(slot, f"group-{slot}", 0, COMPLETED)
            assert await take(board, slot, 1) == ""
        waiting = [asyncio.create_task(start(board, slot)) for slot in (0, 1)]
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert [task.result() for task in done] == [TWO]
        await board.close()
        assert sorted([str(await task) for task in waiting]) == sorted([str(TWO), "None"])

    play(scene())


def test_a_trial_that_was_lost_with_its_group_finds_another_of_its_shape() -> None:
    async def scene() -> None:
        board = await opened(2.0, 1, t1=TWO)
        assert await start(board, 0) == TWO
        await take(board, 0)
        await board.lose(0, "worker_lost", "killed")
        await board.news()
        await board.offer((job("t1"), TWO))
        await board.join(0, "again", size=2, rank=0, pid=1)
        taken = await board.take(0, "again", 0)
        assert taken is not None and taken.trial_id == "t1"

    play(scene())


def test_a_slot_that_is_given_up_no_longer_counts() -> None:
    async def scene() -> None:
        board = await opened(4.0, 2, t1=ONE)
        assert await start(board, 0) == ONE
        assert await take(board, 0) == "t1"
        await board.give_up(1, "it could not be started")
        await board.offer((job("t2"), TWO))
        await board.settle(0, "group-0", 0, FAILED)  # out of memory: its group is worn
        assert await take(board, 0, 1) == ""
        assert await start(board, 0) == TWO

    play(scene())
