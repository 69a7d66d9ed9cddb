from __future__ import annotations

import json
import re
import subprocess
import sys

from ablative.cluster.metrics import COUNTERS
from ablative.cluster.metrics import GAUGES
from ablative.cluster.metrics import PREFIX
from ablative.cluster.metrics import trial_counts
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study
from tests.helpers.simulated import run_one
from tests.helpers.sources import ROOT

EXPORTED = {f"{PREFIX}{name}": tag for name, (tag, _) in GAUGES.items()}
EXPORTED |= {f"{PREFIX}{name}_total": tag for name, (tag, _) in COUNTERS.items()}
NAME = re.compile(r"\bray_\w+")
LABELS = re.compile(r"\{([^}]*)\}|by \((\w+)\)")


def test_grafana_draws_every_metric_and_no_other_by_labels_that_it_has() -> None:
    board = json.loads((ROOT / "cluster" / "grafana.json").read_text())
    expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    asked = [variable["query"]["query"] for variable in board["templating"]["list"] if "study" in variable["name"]]

    named = [NAME.findall(text) for text in (*expressions, *asked)]
    assert {name for names in named for name in names} == EXPORTED.keys()
    for text in expressions:
        (name,) = NAME.findall(text)
        labels = {
            label for inside, by in LABELS.findall(text) for label in (*re.findall(r"(\w+)=", inside), by) if label
        }
        assert labels <= {"study", EXPORTED[name]}, text


def test_every_trial_of_the_plan_is_in_one_state() -> None:
    queue = make_queue(make_study())
    total = queue.owed()
    assert trial_counts(queue) == {"completed": 0, "stopped": 0, "failed": 0, "running": 0, "owed": total}

    first, second = queue.next(), queue.next()
    assert first is not None and second is not None
    queue.record(run_one(first))
    assert trial_counts(queue) == {"completed": 1, "stopped": 0, "failed": 0, "running": 1, "owed": total - 2}


def test_the_document_lists_every_metric_with_its_label() -> None:
    rows = re.findall(r"^\| `(ray_\w+)` \| `(\w+)` \|", (ROOT / "docs" / "cluster.md").read_text(), re.MULTILINE)
    assert dict(rows) == EXPORTED


def test_status_reads_the_store_alone() -> None:
    """Without Ray, so also where no cluster is."""
    code = (
        "import sys; from ablative.orchestrator.commands.cli import ablate; "
        f"ablate(['status', 'quickstart', '--store', {str(ROOT / 'docs' / 'results' / 'quickstart')!r}], "
        "standalone_mode=False); print([name for name in ('ray', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "32 of 32 trials recorded" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
