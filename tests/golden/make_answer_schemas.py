"""Makes docs/schemas, what commands answer with `--json`: `python -m tests.golden.make_answer_schemas`.

Run it after a change of an answer's model; raise the answer's version where a field goes or changes its meaning.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
from pydantic import TypeAdapter

from ablative.analysis.showing.gate_answer import GateAnswer
from ablative.analysis.showing.simulate_answer import SimulateAnswer
from ablative.analysis.views.formats import rows_schema
from ablative.analysis.views.seeds_needed import NEEDED_SCHEMA
from ablative.analysis.views.two_runs import TWO_RUNS_SCHEMA
from ablative.orchestrator.commands.parts_listed import PartsAnswer
from ablative.orchestrator.showing.check_answer import CheckedStudies
from ablative.orchestrator.showing.cluster_answer import ClusterCheckAnswer
from ablative.orchestrator.showing.data_answer import DataCheckAnswer
from ablative.orchestrator.showing.diff_answer import DiffAnswer
from ablative.orchestrator.showing.plan_answer import PlanAnswer
from ablative.orchestrator.showing.run_events import RunEvent
from ablative.orchestrator.showing.status_answer import StatusAnswer
from ablative.orchestrator.showing.student_answer import StudentCheckAnswer
from ablative.orchestrator.showing.student_answer import StudentExportAnswer
from ablative.orchestrator.showing.student_answer import StudentListAnswer
from ablative.orchestrator.showing.student_answer import StudentPredictAnswer
from ablative.orchestrator.showing.student_answer import StudentPretrainAnswer
from ablative.orchestrator.showing.teacher_answer import TeacherAdaptAnswer
from ablative.orchestrator.showing.teacher_answer import TeacherCacheAnswer
from ablative.orchestrator.showing.teacher_answer import TeacherProbeAnswer
from ablative.orchestrator.showing.teacher_answer import TeacherShowAnswer
from ablative.orchestrator.showing.why_answer import WhyAnswer
from tests.helpers.sources import ROOT

FOLDER = ROOT / "docs/schemas"
ANSWERS: dict[str, Any] = {
    "check": CheckedStudies,
    "cluster_check": ClusterCheckAnswer,
    "data_check": DataCheckAnswer,
    "diff": DiffAnswer,
    "gate": GateAnswer,
    "parts": PartsAnswer,
    "plan": PlanAnswer,
    "run": RunEvent,
    "simulate": SimulateAnswer,
    "status": StatusAnswer,
    "student_check": StudentCheckAnswer,
    "student_export": StudentExportAnswer,
    "student_list": StudentListAnswer,
    "student_predict": StudentPredictAnswer,
    "student_pretrain": StudentPretrainAnswer,
    "teacher_adapt": TeacherAdaptAnswer,
    "teacher_cache": TeacherCacheAnswer,
    "teacher_probe": TeacherProbeAnswer,
    "teacher_show": TeacherShowAnswer,
    "why": WhyAnswer,
}
"""Name -> its model, or the type that models stand in."""
ROWS: dict[str, pa.Schema | None] = {"compare": TWO_RUNS_SCHEMA, "power": NEEDED_SCHEMA, "query": None}
"""Name -> columns of the rows; None where they are those of the statement."""


def schema_of(name: str) -> dict[str, Any]:
    """Return the JSON Schema of what a command prints."""
    if name in ROWS:
        return rows_schema(ROWS[name], name)
    return TypeAdapter(ANSWERS[name]).json_schema(mode="serialization")


def text_of(name: str) -> str:
    """Return it as it is stored."""
    return json.dumps(schema_of(name), indent=2) + "\n"


if __name__ == "__main__":
    for name in (*ANSWERS, *ROWS):
        (FOLDER / f"{name}.json").write_text(text_of(name), encoding="utf-8")
