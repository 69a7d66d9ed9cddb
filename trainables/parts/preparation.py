"""What is computed once, before any trial, for all of a study's configurations. Imports no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from collections.abc import Sequence
from contextlib import AbstractContextManager
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Protocol

from ablative.progress import Progress

if TYPE_CHECKING:
    from ablative.trainables.copies import Item


class Block(Protocol):
    """A part of the work that can be done anywhere, in any order; it travels there, so that it can be pickled."""

    @property
    def stage(self) -> str:
        """What a person reads of it."""
        ...

    @property
    def size(self) -> int:
        """How much of its stage it is."""
        ...

    @property
    def work(self) -> float:
        """What it takes, as a share of a whole block's: other processes are worth starting for many whole ones."""
        ...


def _alone(cache: Path, progress: Progress) -> AbstractContextManager[None]:
    return nullcontext()


def _no_blocks(configs: Sequence[Any], cache: Path) -> Sequence[Block]:
    return ()


def _not_computed(block: Block, cache: Path) -> None:
    raise AssertionError(f"{block.stage}: it has blocks but no function that computes them")


def _always(config: Any) -> bool:
    return True


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """What trials read, as far as it can be told; matters where machines have caches of their own."""

    places: tuple[str, ...] = ("",)
    """Files and folders of the cache, relative to it, there or not; an empty one is all of it."""
    data: tuple[str, ...] = ()
    """URIs of data sets, which whoever prepares fetches whole."""
    others: tuple[Item, ...] = ()
    """Objects that lie elsewhere, such as the files of those data sets that trials read."""


def _whole_cache(configs: Sequence[Any], cache: Path) -> Reads:
    return Reads()


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """How a trainable's trials get what they read; functions that can be pickled. Killed, it goes on where it was."""

    data: Callable[[Sequence[Any], Path, Progress], None]
    """(Configurations, cache, progress): run once, in one place."""
    blocks: Callable[[Sequence[Any], Path], Sequence[Any]] = _no_blocks
    """(Configurations, cache) -> the `Block`s that are missing once `data` is done."""
    compute: Callable[[Any, Path], None] = _not_computed
    """Compute one block; may run twice, or at once with itself."""
    then: Callable[[Sequence[Any], Path], Sequence[Any]] = _no_blocks
    """The same of blocks that read what the others have written: asked once all of those are computed."""
    reads_blocks: Callable[[Any], bool] = _always
    """Configuration -> whether its trials read what blocks become; the others may run once `data` is done."""
    release: Callable[[], None] = _nothing
    """Let go of what `compute` keeps in a process from one block to the next."""
    alone: Callable[[Path, Progress], AbstractContextManager[None]] = _alone
    """(Cache, progress) -> the context in which one process prepares and others wait."""

    reads: Callable[[Sequence[Any], Path], Reads] = _whole_cache
    """(Configurations, cache) -> what trials read, asked before and after each of the steps."""

    def here(self, configs: Sequence[Any], cache: Path, progress: Progress) -> None:
        """Prepare all of it in this process. Raises what the steps raise."""
        with self.alone(cache, progress):
            self.prepare_data(configs, cache, progress)
            self.compute_from(self.blocks(configs, cache), configs, cache, progress)

    @property
    def rounds(self) -> tuple[Callable[[Sequence[Any], Path], Sequence[Any]], ...]:
        """What tells the missing blocks of each round, in order."""
        return (self.blocks, self.then)

    def prepare_data(self, configs: Sequence[Any], cache: Path, progress: Progress) -> None:
        """Run `data` in this process, with a cache folder that is there."""
        cache.mkdir(parents=True, exist_ok=True)
        self.data(configs, cache, progress)

    def compute_from(self, blocks: Sequence[Block], configs: Sequence[Any], cache: Path, progress: Progress) -> None:
        """Compute the given blocks of the first round, and then those of the second, in this process."""
        self.compute_all(blocks, cache, progress)
        self.compute_all(self.then(configs, cache), cache, progress)

    def compute_all(self, blocks: Sequence[Block], cache: Path, progress: Progress) -> None:
        """Compute blocks one after another in this process."""
        count = BlockCount(blocks, progress)
        for block in blocks:
            self.compute(block, cache)
            count.add(block)
        self.release()


class BlockCount:
    """Tells how far the blocks are, stage by stage, as they are computed."""

    def __init__(self, blocks: Sequence[Block], progress: Progress) -> None:
        self._progress = progress
        self._done: Counter[str] = Counter()
        self._total: Counter[str] = Counter()
        for block in blocks:
            self._total[block.stage] += block.size
        if blocks:
            progress(blocks[0].stage, 0, self._total[blocks[0].stage])

    def add(self, block: Block) -> None:
        """Count a computed block."""
        self._done[block.stage] += block.size
        self._progress(block.stage, self._done[block.stage], self._total[block.stage])
