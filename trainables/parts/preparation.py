"""Preparation: the work done once, before any trial, for all configurations of a study. Imports no torch."""

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
    """A picklable piece of the work: any machine can do it, in any order."""

    @property
    def stage(self) -> str:
        """Its name in progress lines."""
        ...

    @property
    def size(self) -> int:
        """Its size, in the units of its stage."""
        ...

    @property
    def work(self) -> float:
        """Its cost, as a share of a whole block's. Other processes are worth starting only for many whole blocks."""
        ...


def _alone(cache: Path, progress: Progress) -> AbstractContextManager[None]:
    return nullcontext()


def _no_blocks(configs: Sequence[Any], cache: Path) -> Sequence[Block]:
    return ()


def _not_computed(block: Block, cache: Path) -> None:
    raise AssertionError(f"{block.stage}: it has blocks but no function to compute them")


def _always(config: Any) -> bool:
    return True


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """The files that trials read, as far as known; matters where machines have caches of their own."""

    places: tuple[str, ...] = ("",)
    """Files and folders relative to the cache, whether or not they exist; an empty path is the whole cache."""
    data: tuple[str, ...] = ()
    """URIs of data sets. The preparing process fetches them whole."""
    others: tuple[Item, ...] = ()
    """Objects outside the cache, such as the files of those data sets that trials read."""


def _whole_cache(configs: Sequence[Any], cache: Path) -> Reads:
    return Reads()


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """Makes the files that a trainable's trials read, by picklable functions. If killed, it continues where it was."""

    data: Callable[[Sequence[Any], Path, Progress], None]
    """(Configurations, cache, progress): run once, in one place."""
    blocks: Callable[[Sequence[Any], Path], Sequence[Any]] = _no_blocks
    """(Configurations, cache) -> the `Block`s that are missing once `data` is done."""
    compute: Callable[[Any, Path], None] = _not_computed
    """Compute one block; may run twice, or at once with itself."""
    then: Callable[[Sequence[Any], Path], Sequence[Any]] = _no_blocks
    """The same for a second round of blocks, which read the results of the first: called once that round is done."""
    reads_blocks: Callable[[Any], bool] = _always
    """Configuration -> whether its trials read the results of blocks; other trials may run once `data` is done."""
    release: Callable[[], None] = _nothing
    """Free what `compute` keeps in a process between blocks."""
    alone: Callable[[Path, Progress], AbstractContextManager[None]] = _alone
    """(Cache, progress) -> a context that lets one process prepare while others wait."""

    reads: Callable[[Sequence[Any], Path], Reads] = _whole_cache
    """(Configurations, cache) -> the files that trials read; called before and after each step."""

    def here(self, configs: Sequence[Any], cache: Path, progress: Progress) -> None:
        """Prepare all of it in this process. Raises what the steps raise."""
        with self.alone(cache, progress):
            self.prepare_data(configs, cache, progress)
            self.compute_from(self.blocks(configs, cache), configs, cache, progress)

    @property
    def rounds(self) -> tuple[Callable[[Sequence[Any], Path], Sequence[Any]], ...]:
        """For each round, in order, the function that lists its missing blocks."""
        return (self.blocks, self.then)

    def prepare_data(self, configs: Sequence[Any], cache: Path, progress: Progress) -> None:
        """Create the cache folder and run `data` in this process."""
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
    """Reports the progress of blocks, stage by stage."""

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
