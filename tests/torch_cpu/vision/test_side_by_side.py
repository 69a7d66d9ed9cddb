"""Batches on all cores."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import Tensor

from ablative.trainables.side_by_side import side_by_side
from ablative.trainables.vision.trunk import imagenet_trunk


@pytest.fixture
def two_threads():
    """Let torch use two threads, whatever the machine has."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_batches_come_in_order_from_threads_of_one_core_each_that_work_at_once(two_threads: None) -> None:
    both = threading.Barrier(2, timeout=30)

    def work(number: int) -> tuple[int, int]:
        both.wait()  # passes only if another batch is under way
        return number, torch.get_num_threads()

    assert list(side_by_side(work, range(6))) == [(number, 1) for number in range(6)]
    assert torch.get_num_threads() == 2


def test_what_a_batch_raises_is_raised_and_torch_gets_its_threads_back(two_threads: None) -> None:
    def work(number: int) -> int:
        if number == 3:
            raise KeyError("three")
        return number

    batches = side_by_side(work, range(100))
    assert [next(batches) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError, match="three"):
        next(batches)
    assert torch.get_num_threads() == 2


def test_the_trunk_makes_the_same_of_pictures_side_by_side_as_one_after_another(two_threads: None) -> None:
    trunk, pixels = imagenet_trunk(), torch.rand(6, 3, 96, 96, generator=torch.Generator().manual_seed(1))

    @torch.no_grad()
    def work(batch: Tensor) -> Tensor:
        maps: Tensor = trunk(batch)
        return maps

    batches = pixels.split(2)
    found, expected = torch.cat([*side_by_side(work, batches)]), torch.cat([*map(work, batches)])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)  # of values up to 6, which are kept as float16
