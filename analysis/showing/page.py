"""What the report page shows, as plain values: the template only places them."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ablative.analysis import rounding
from ablative.analysis.plan import Roles
from ablative.analysis.plan import StudyPlan
from ablative.analysis.showing.answer import answer
from ablative.analysis.showing.figures import Figure
from ablative.analysis.showing.figures import study_figures
from ablative.analysis.showing.figures.cost import device_seconds
from ablative.analysis.showing.findings import findings
from ablative.analysis.showing.grids import Grid
from ablative.analysis.showing.grids import condition_heading
from ablative.analysis.showing.tables import notes
from ablative.analysis.showing.tables import result_grids
from ablative.analysis.showing.trial_grid import trial_grid
from ablative.analysis.trials import decoded
from ablative.analysis.views.results import Results
from ablative.orchestrator.durations import duration

_ERROR_LINES = 12

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One report, ready to be placed on a page."""

    study: str
    question: str
    answer: list[str]
    grids: list[Grid]
    notes: list[str]
    """What has to be known to read the grids, and what failed or is missing."""
    figures: list[Figure]
    failures: list[dict[str, str]]
    """Arm, condition, phase, seed, cause and last lines of each failed trial."""
    cost: list[tuple[str, str]]
    reproduce: list[tuple[str, str]]
    confirm: Grid
    search: Grid
    superseded: int
    """Number of records that the present plan no longer has."""
    problems: tuple[str, ...]
    """Files of the store that were skipped."""


def study_page(results: Results, study: str) -> Page:
    """Gather what the report of `study` shows from its records."""
    found = findings(results, study)
    plan = found.plan
    trials = decoded(results.records(study))
    current = [row for row in trials if plan.current is None or row["trial_id"] in plan.current]
    return Page(
        study=study,
        question=plan.question,
        answer=answer(found),
        grids=result_grids(found),
        notes=notes(found),
        figures=study_figures(results, study, found),
        failures=[_failure(row, plan.roles) for row in current if row["status"] == "failed"],
        cost=_cost(trials),
        reproduce=_reproduce(trials, plan),
        confirm=trial_grid(current, "confirm", plan.headline, plan),
        search=trial_grid(current, "search", plan.target.metric, plan),
        superseded=len(trials) - len(current),
        problems=results.problems,
    )


def _failure(row: Row, roles: Roles) -> dict[str, str]:
    return {
        "arm": row["arm"],
        "condition": condition_heading(row["condition"], roles),
        "phase": row["phase"],
        "seed": str(row["seed"]),
        "cause": row["cause"],
        "error": "\n".join(row["error"].splitlines()[-_ERROR_LINES:]),
    }


def _cost(trials: Sequence[Row]) -> list[tuple[str, str]]:
    spent: dict[str, float] = {}
    for (_, phase), seconds in device_seconds(trials).items():
        spent[phase] = spent.get(phase, 0.0) + seconds
    unique = {row["trial_id"]: row for row in trials}.values()
    stopped = sum(row["status"] == "stopped" for row in unique)
    passes = sum(row["teacher_passes"] for row in unique if not row["source_study"])
    return [
        ("Trials recorded", str(len(unique))),
        *([("Of these, stopped early", str(stopped))] if stopped else []),
        *((f"Device time, {phase}", duration(seconds)) for phase, seconds in spent.items()),
        ("Teacher passes inside trials", str(passes)),
        ("Attempts beyond the first", str(sum(row["attempts"] - 1 for row in unique))),
        ("Time of attempts that were lost", duration(sum(row["lost_seconds"] or 0.0 for row in unique))),
        ("Devices", ", ".join(sorted({row["device"] for row in unique})) or rounding.ABSENT),
    ]


def _reproduce(trials: Sequence[Row], plan: StudyPlan) -> list[tuple[str, str]]:
    commits = {
        (row["commit"] or rounding.UNKNOWN) + (" with uncommitted changes" if row["dirty"] else "") for row in trials
    }
    versions = {f"{name} {version}" for row in trials for name, version in row["versions"].items()}
    times = [time for row in trials for time in (row["started_at"], row["finished_at"])]
    return [
        ("Command", f"ablate run {plan.study}"),
        ("Commit", _several(commits)),
        ("Versions", _several(versions)),
        ("Data", _several({f"{row['task']} {row['data_digest']}" for row in trials})),
        ("Teacher", _several({row["teacher_digest"] for row in trials})),
        ("Student's start", _several({row["student_digest"] for row in trials})),
        ("Confirm seeds", ", ".join(map(str, plan.seeds.confirm))),
        *([("Stopping rule of the search", plan.search.stopping_rule)] if plan.search.stopping_rule else []),
        ("Host", _several({row["host"] for row in trials})),
        ("Run", f"{_minute(min(times))} to {_minute(max(times))} UTC" if times else rounding.ABSENT),
    ]


def _several(values: set[str]) -> str:
    return ", ".join(sorted(value for value in values if value)) or rounding.ABSENT


def _minute(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M")
