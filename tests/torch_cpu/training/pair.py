"""What two workers of one trial run together, without Ray; imported by both."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed

from ablative.trainables.job import Alone
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from ablative.trainables.trial import run_trial

PATIENCE = timedelta(seconds=120)
"""After which a worker that waits for the other in vain gives up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One trial of the two workers."""

    job: TrialJob
    resumes: str = ""
    """Name of the scene whose first checkpoint this one goes on from."""
    found_by: tuple[int, ...] = (0, 1)
    """Ranks that find that checkpoint."""
    stop_after: int | None = None
    raises_in: str = ""
    """Method of the first worker's link that raises: `report`, `save` or `stop_requested`."""


@dataclass(slots=True, kw_only=True)
class Recorder(Alone):
    """One worker's link; only the first worker may use it for anything but loading."""

    saved: list[bytes] = field(default_factory=list)
    stop_after: int | None = None
    raises_in: str = ""
    asked: int = 0

    def report(self, point: object) -> None:
        """Raise if the scene says so."""
        self._used("report")

    def save(self, content: bytes) -> None:
        """Keep the checkpoint beside the earlier ones."""
        self._used("save")
        self.saved.append(content)

    def stop_requested(self) -> bool:
        """Whether enough evaluations have been seen."""
        self._used("stop_requested")
        self.asked += 1
        return self.asked == self.stop_after

    def _used(self, method: str) -> None:
        assert torch.distributed.get_rank() == 0
        if method == self.raises_in:
            raise MemoryError("raised on the first worker alone")


def play(scenes: dict[str, Scene], folder: Path) -> dict[str, Sequence[TrialOutcome]]:
    """Return the outcomes of both workers, by scene; two processes with gloo play them one after another."""
    torch.multiprocessing.spawn(_work, args=(scenes, folder), nprocs=2)
    by_rank = [pickle.loads((folder / f"rank-{rank}").read_bytes()) for rank in (0, 1)]
    return {name: [found[name] for found in by_rank] for name in scenes}


def _work(rank: int, scenes: dict[str, Scene], folder: Path) -> None:
    meeting = f"file://{folder / 'meeting'}"
    torch.distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2, timeout=PATIENCE)
    outcomes: dict[str, TrialOutcome] = {}
    for name, scene in scenes.items():
        content = (folder / scene.resumes).read_bytes() if scene.resumes and rank in scene.found_by else None
        link = Recorder(checkpoint=content, stop_after=scene.stop_after, raises_in=scene.raises_in)
        outcomes[name] = run_trial(scene.job, link)
        if link.saved:
            (folder / name).write_bytes(link.saved[0])
        if link.student:
            (folder / f"{name}.student").write_bytes(link.student)
        torch.distributed.barrier()
    (folder / f"rank-{rank}").write_bytes(pickle.dumps(outcomes))
    torch.distributed.destroy_process_group()
