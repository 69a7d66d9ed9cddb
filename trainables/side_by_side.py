"""Works on several batches at once, one thread for each of this process's cores.

A network's own threads gain little on small batches. If other work shares the cores, they wait for each other: two of
them then took seven times the processor time of one. Python releases its lock while it decodes a picture or computes a
layer, so single-core threads use all cores.
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
    """Yield the result of `work` on each batch, in order, with as many batches at once as torch may use threads.

    An exception of `work` is raised here, and batches not yet begun are dropped.
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
