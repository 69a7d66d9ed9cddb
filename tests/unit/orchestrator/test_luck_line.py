"""The line on the luck of the search beside what is checked and planned, and what status says of the searches."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from ablative.orchestrator.commands.cli import ablate
from ablative.orchestrator.deciding.costs import Cost
from ablative.orchestrator.showing.luck import planned_line
from ablative.orchestrator.showing.overview import print_plan
from tests.helpers.results import StudyResults
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study
from tests.helpers.simulated import run_all
from tests.helpers.sources import ROOT


def test_check_tells_the_luck_and_what_each_way_to_search_makes_of_it() -> None:
    def line(*overrides: str) -> str:
        words = ["check", "mini_from_scratch", "seeds={search: [0, 9], confirm: 1-8}", *overrides, "--json"]
        printed = json.loads(CliRunner().invoke(ablate, words).stdout)
        (found,) = printed if isinstance(printed, list) else (printed,)
        return str(found["search_risk"])

    assert line().startswith("With 2 search seeds, about 1")
    assert line("search.shared=true").startswith("With one setting for all arms, if they respond to it alike")
    assert line("seeds.nested=true").startswith("With a search for each seed, about 4 %")
    assert "2 searches of 1 search seed" in line("search.repeats=2")
    assert line("search={trials: 1}") == ""


def test_a_plan_tells_the_luck_that_its_own_records_show() -> None:
    study = make_study(seeds={"search": [0], "confirm": list(range(1, 9))})
    empty = make_queue(study)
    assert "assuming usual searches" in planned_line(empty)
    recorded = make_queue(study, run_all(make_queue(study)))
    assert "measured on 6 searches" in planned_line(recorded)
    out = io.StringIO()
    print_plan(
        Console(file=out, width=400, highlight=False), recorded, Cost(device_seconds=0, low=0, high=0, num_unknown=0)
    )
    assert planned_line(recorded) in out.getvalue()


def test_check_says_of_recorded_searches_where_they_ended_at_an_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    def cautions(store: str) -> str:
        monkeypatch.setenv("ABLATE_STORE", store)
        checked = CliRunner().invoke(ablate, ["check", "mini_clip_td"])
        assert checked.exit_code == 0
        return checked.stderr

    said = cautions(str(ROOT / "docs" / "results" / "mini_clip_td"))
    assert "recorded so far: In 78 of 126 searches the best optim.lr lies at the edge of the tried range" in said
    assert cautions(str(ROOT / "docs" / "results" / "quickstart")) == ""


@pytest.mark.parametrize("searched", [True, False])
def test_status_says_where_the_best_settings_lie_at_the_edge_of_what_was_tried(tmp_path: Path, searched: bool) -> None:
    study = StudyResults(proposals=3 if searched else 0)
    study.write(str(tmp_path))
    printed = CliRunner().invoke(ablate, ["status", "lowshot", "--store", str(tmp_path)])
    assert printed.exit_code == 0
    assert ("In 16 of 16 searches the best optim.lr lies at the edge" in printed.stdout) is searched
