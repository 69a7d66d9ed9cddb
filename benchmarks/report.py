"""The report of a study of 2,000 trials: how long it takes to write, how large it is, and how soon a browser has it.

    python benchmarks/report.py               # 2,000 trials, two minutes
    python benchmarks/report.py --quick       # 200 trials, half a minute

The study is run by the simulated trainable in this process, with curves. In Chromium, without a network, the page is
opened beside the same page whose pictures all answer the pointer from the start (what it would be without drawings to
begin with): "interactive" is when its script has run, so that tables sort and the page scrolls. The last line is one
JSON object.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

CONFIRM = 10
SEARCH = 40


def study_of(num_trials: int) -> Any:
    """Return a study of four arms under so many conditions that it has about `num_trials`."""
    from ablative.search_spaces.study import Study

    terms: tuple[dict[str, float], ...] = ({}, {"image": 1.0}, {"image": 1.0, "tokens": 1.0}, {"tokens": 1.0})
    arms = {f"arm{number}": {f"distillation.terms.{name}": 1.0 for name in term} for number, term in enumerate(terms)}
    fractions = [round(0.01 * (i + 1), 3) for i in range(max(1, num_trials // (len(arms) * (CONFIRM + SEARCH))))]
    return Study.model_validate(
        {
            "study": "large",
            "question": "How fast is the page?",
            "base": {"optim": {"evaluations": 5}},
            "arms": {"listed": arms},
            "conditions": {"task.data_fraction": fractions},
            "search": {
                "trials": SEARCH,
                "batch": 10,
                "sampler": "random",
                "space": {
                    "optim.lr": {"loguniform": [1e-5, 1e-2]},
                    "optim.weight_decay": {"loguniform": [1e-4, 1e-1]},
                    "optim.warmup_fraction": {"uniform": [0.0, 0.3]},
                },
            },
            "seeds": {"search": [0], "confirm": list(range(1, CONFIRM + 1))},
        }
    )


def recorded(num_trials: int, folder: str) -> int:
    """Run the study into a store; return its trials."""
    from ablative.orchestrator.driving.inline import InlineExecutor
    from ablative.orchestrator.driving.run import Experiment
    from ablative.orchestrator.driving.run import run_study
    from ablative.orchestrator.showing.display import QuietDisplay
    from ablative.orchestrator.storing.records import Provenance
    from ablative.orchestrator.storing.store import Store
    from ablative.search_spaces.design import cells
    from ablative.trainables.config import TrialConfig
    from ablative.trainables.config import canonical
    from ablative.trainables.simulated import SimulatedTrainable
    from simulated import simulated_inputs

    study = study_of(num_trials)
    inputs = simulated_inputs()
    built = cells(study, TrialConfig, canonical)
    experiment = Experiment(study=study, cells=built, inputs=inputs, provenance=Provenance(host="here"))
    runner = InlineExecutor(run_trial=SimulatedTrainable(), resources=study.resources, cache=Path(folder))
    summary = run_study(experiment, Store.open(folder), runner, QuietDisplay())
    assert not summary.num_failed
    return summary.ran


def opened(path: Path, everything: bool) -> dict[str, Any]:
    """Open the page in Chromium; return seconds until it is interactive, and until all its pictures are if asked."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        return {"skipped": "no Chromium on this machine"}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        height = 100_000 if everything else 800  # a window in which every picture is in sight
        page = browser.new_context(offline=True, viewport={"width": 1280, "height": height}).new_page()
        started = time.perf_counter()
        page.goto(path.as_uri(), wait_until="commit")
        page.wait_for_selector("html[data-ready]", timeout=120_000)
        found = {"interactive_s": round(time.perf_counter() - started, 2)}
        if everything:
            page.wait_for_function("() => !document.querySelector('figure:not([data-live])')", timeout=300_000)
            found["all_pictures_s"] = round(time.perf_counter() - started, 2)
        browser.close()
        return found


def main() -> None:
    """Write the page and open it both ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="200 trials")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        num_trials = recorded(200 if options.quick else 2000, folder)
        from ablative.analysis.showing.report import write_report

        started, used = time.perf_counter(), time.process_time()
        path = write_report(folder, "large", Path(folder) / "large.html")
        figures: dict[str, Any] = {
            "trials": num_trials,
            "written_s": round(time.perf_counter() - started, 2),
            "written_cpu_s": round(time.process_time() - used, 2),
            "page_mb": round(path.stat().st_size / 1e6, 2),
        }
        print(json.dumps(figures), flush=True)
        figures["in_sight"] = opened(path, everything=False)
        figures["all_at_once"] = opened(path, everything=True)
    print(json.dumps({"benchmark": "report", **figures}))


if __name__ == "__main__":
    main()
