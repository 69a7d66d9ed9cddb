"""Batches on all of this process's cores: a thread each.

A network's own threads gain little on small batches, and where other work shares the cores they wait for each other:
there two of them took seven times the processor time of one. Python is free while a picture is decoded or a layer
computed, so that threads of one core each use all cores.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Batch = TypeVar("Batch")
Made = TypeVar("Made")


def side_by_side(work: Callable[[Batch], Made], batches: Sequence[Batch]) -> Iterator[Made]:
    """Yield what `work` makes of each batch, in order; as many at once as torch may use threads.

    What `work` raises is raised here, and batches that have not begun are left.
    """
    threads = torch.get_num_threads()
    if threads == 1 or len(batches) < 2:
        yield from map(work, batches)
        return
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            yield from pool.map(work, batches)
        finally:
            torch.set_num_threads(threads)  # the setting of a thread is partly that of the process
