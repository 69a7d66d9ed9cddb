"""A driver of the documents' trainables in a process of its own: `python -m tests.integration.own_trainables FOLDER`.

It brings the trainables by one file, as `--with` does, runs their studies on one Ray cluster with one worker and with
two, and then in this process. In one run of each study a trial's first worker is killed, right after it has saved.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from contextlib import nullcontext
from pathlib import Path

from ablative.cluster.session import connect
from ablative.orchestrator.commands import studies
from ablative.orchestrator.showing.display import QuietDisplay
from ablative.trainables.parts.sources import catalogue
from tests.helpers.sources import ROOT

EXAMPLES = ROOT / "docs" / "examples"
SMALL = {
    "digits_distillation": ("search.trials=6", "search.batch=3", "seeds.confirm=[1,2,3]"),
    "transformers_trainer": ("base.steps=6", "arms.listed=[smoothed]", "seeds.confirm=[1,2,3]"),
}
"""Study -> what makes it small."""
WORLDS = (1, 2)
KILLED_SEED = 2
KILLED_AT = {"digits_distillation": 2, "transformers_trainer": 1}
"""Study -> number of workers with which one of its trials is killed."""

WITH_ACCIDENTS = f'''
import os
import signal
from dataclasses import replace
from pathlib import Path

from .digits_distillation import PARTS as DIGITS
from .transformers_trainer import PARTS as TRAINER

MARKS = Path(os.environ["ACCIDENTS"])


class Dying:
    """Writes down what is reported, and kills its process after the first save of one trial of a study."""

    def __init__(self, link, job, mark, world, lethal):
        self.link, self.job, self.mark, self.where, self.lethal = link, job, mark, world, lethal
        self.keep, self.load, self.stop_requested = link.keep, link.load, link.stop_requested
        self.reached, self.leaving = link.reached, link.leaving

    def report(self, point):
        with (MARKS / f"{{self.job.trial_id}}.{{self.where}}.steps").open("a") as steps:
            steps.write(f"{{point.step}} ")
        self.link.report(point)

    def save(self, content):
        self.link.save(content)
        if self.lethal and self.job.seed == {KILLED_SEED} and not self.mark.exists():
            self.mark.write_text(self.job.trial_id)
            os.kill(os.getpid(), signal.SIGKILL)


def dying(part):
    def run(job, link):
        from ablative.trainables.ranks import current_ranks

        world = os.environ.get("WITHOUT_RAY") or current_ranks().world
        lethal = world == {KILLED_AT}[part.name]
        return part.run(job, Dying(link, job, MARKS / f"{{part.name}}.killed", world, lethal))

    return replace(part, run=run)


PARTS = [dying(part) for part in (*DIGITS, *TRAINER)]
'''


def main(folder: Path) -> None:
    """Run each study into the stores `1`, `2` and `inline` in the folder."""
    parts, marks = folder / "own", folder / "marks"
    parts.mkdir()
    marks.mkdir()
    os.environ["ACCIDENTS"] = str(marks)
    for name in SMALL:
        shutil.copy(EXAMPLES / f"{name}.py", parts)
    (parts / "__init__.py").write_text(WITH_ACCIDENTS)
    catalogue([parts])  # a cluster's workers get what is imported before it starts
    with connect("local", num_cpus=4):
        for world in WORLDS:
            for name in SMALL:
                _run(folder, name, str(world), "ray", f"resources.workers={world}", "resources.max_concurrent=1")
    os.environ["WITHOUT_RAY"] = "inline"
    for name in SMALL:
        _run(folder, name, "inline", "inline")


def _run(folder: Path, name: str, store: str, executor: str, *overrides: str) -> None:
    began = time.monotonic()
    asked = studies.Asked(
        source=str(EXAMPLES / f"{name}.yaml"),
        overrides=(*SMALL[name], *overrides),
        parts=(folder / "own",),
        store=str(folder / store),
    )
    summary = studies.run(
        studies.opened(asked),
        nullcontext(QuietDisplay()),
        executor=executor,
        address="local",
        again=studies.Again(),
        budget=None,
        note=print,
    )
    print(f"{name} {store}: {summary.ran} trials, {summary.num_failed} failed, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
