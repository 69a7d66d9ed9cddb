"""A worker that loses the other one of its trial blames the loss, not the trial."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed

from ablative.trainables.errors import cause_of

pytestmark = pytest.mark.slow


def _work(rank: int, folder: Path) -> None:
    meeting, patience = f"file://{folder / 'meeting'}", timedelta(seconds=60)
    torch.distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2, timeout=patience)
    torch.distributed.all_reduce(torch.ones(1))
    if rank == 1:
        os._exit(0)
    try:
        torch.distributed.all_reduce(torch.ones(1))
    except RuntimeError as error:
        (folder / "cause").write_text(cause_of(error))
    os._exit(0)


def test_a_worker_whose_peer_has_ended_calls_it_lost(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(_work, args=(tmp_path,), nprocs=2)

    assert (tmp_path / "cause").read_text() == "worker_lost"
    assert cause_of(RuntimeError("shapes do not match")) == "trainable_error"
