from __future__ import annotations

import io

from rich.console import Console

from ablative.orchestrator.showing.live import LiveDisplay
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study
from tests.helpers.simulated import run_one


def _console(height: int = 40) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=120, height=height, color_system=None)


def _drawn(console: Console) -> str:
    stream = console.file
    assert isinstance(stream, io.StringIO)
    return stream.getvalue()


def test_the_drawing_shows_cells_progress_best_value_and_failures() -> None:
    console, queue = _console(), make_queue(make_study())
    with LiveDisplay(console) as display:
        display.preparing("features", 3, 10)
        display.start(queue)
        while (trial := queue.next()) is not None:
            record = run_one(trial)
            if trial.seed == 3:
                record = record.model_copy(update={"status": "failed", "cause": "out_of_memory", "error": "a\nlast"})
            queue.record(record)
            display.finished(record, queue)
    drawn = _drawn(console)

    assert "6 cells, 0 trials recorded, 42 owed" in drawn
    assert "failed: tokens|task.data_fraction=1.0 confirm seed 3: out_of_memory last" in drawn
    assert "best val/accuracy" in drawn
    assert "42/42" in drawn
    assert f"{queue.progress()[0].best:.4f}" in drawn


def test_a_low_terminal_shows_some_cells_and_counts_the_others() -> None:
    console = _console(height=9)
    with LiveDisplay(console) as display:
        display.start(make_queue(make_study()))
    assert "... 3 more cells" in _drawn(console)


def test_what_cannot_tell_how_far_it_is_is_drawn_with_its_time() -> None:
    console, now = _console(), [0.0]
    with LiveDisplay(console, clock=lambda: now[0]) as display:
        display.doing("starting the workers")
        now[0] = 75.0
        display._live.refresh()
    assert "starting the workers, 1 min 15 s so far" in _drawn(console)


def test_what_stays_on_the_screen_is_no_step_that_is_over() -> None:
    console = _console()
    with LiveDisplay(console) as display:
        display.doing("ending the workers")
        display._live.refresh()
        before = len(_drawn(console))
    assert "ending the workers" in _drawn(console)[:before]
    assert "ending the workers" not in _drawn(console)[before:]
