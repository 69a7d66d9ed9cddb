from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from ablative.orchestrator.deciding.queue import TrialQueue
from ablative.orchestrator.showing.watch import has_ended
from ablative.orchestrator.showing.watch import watch
from ablative.orchestrator.storing.plan import study_text
from ablative.orchestrator.storing.store import Store
from ablative.trainables.config import ROLES
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study
from tests.helpers.simulated import run_all

STUDY = make_study(conditions={})


class Study:
    """A study of which somebody records a few trials whenever a watcher sleeps."""

    def __init__(self, folder: Path, at_once: int) -> None:
        self.store = Store.open(str(folder))
        self._records = run_all(make_queue(STUDY))
        self._at_once = at_once
        self._done = 0
        self.slept: list[float] = []
        self._write()

    def sleep(self, seconds: float) -> None:
        """Record some more."""
        self.slept.append(seconds)
        for record in self._records[self._done : self._done + self._at_once]:
            self.store.write(record)
        self._done += self._at_once
        self._write()

    def _write(self) -> None:
        queue: TrialQueue = make_queue(STUDY, self._records[: self._done])
        self.store.write_study("simulated", study_text(STUDY, ROLES, queue.plan()))

    @property
    def size(self) -> int:
        """Trials of the whole study."""
        return len(self._records)


def test_each_news_is_a_line_on_a_pipe_until_the_study_has_ended(tmp_path: Path) -> None:
    study = Study(tmp_path, at_once=4)
    out = io.StringIO()

    found = watch(study.store, "simulated", Console(file=out), every=7, sleep=study.sleep)

    lines = out.getvalue().splitlines()
    assert has_ended(found)
    assert lines[0].startswith("simulated: 0 of ")
    assert lines[-1] == f"simulated: {study.size} of {study.size} trials recorded, 0 failed"
    assert len(set(lines)) == len(lines) == len(study.slept) + 1
    assert set(study.slept) == {7}


def test_a_terminal_shows_the_cells(tmp_path: Path) -> None:
    study = Study(tmp_path, at_once=50)
    out = io.StringIO()

    watch(study.store, "simulated", Console(file=out, force_terminal=True, width=120), every=1, sleep=study.sleep)

    assert "tokens" in out.getvalue()
    assert "4/4" in out.getvalue()


def test_the_version_changes_with_every_record_and_plan_and_with_nothing_else(tmp_path: Path) -> None:
    study = Study(tmp_path, at_once=1)
    seen = [study.store.version("simulated")]
    assert Store.open(study.store.uri).version("simulated") == seen[0]
    for _ in range(3):
        study.sleep(0)
        seen.append(study.store.version("simulated"))
    study.store.compact("simulated")
    assert len({*seen, study.store.version("simulated")}) == 5
