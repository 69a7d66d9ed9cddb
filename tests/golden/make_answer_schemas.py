"""Makes docs/schemas, what commands answer with `--json`: `python -m tests.golden.make_answer_schemas`.

Run it after a change of an answer's model; raise the answer's version where a field goes or changes its meaning.
"""

from __future__ import annotations

import json

from pydantic import BaseModel

from ablative.analysis.showing.gate_answer import GateAnswer
from ablative.orchestrator.showing.cluster_answer import ClusterCheckAnswer
from ablative.orchestrator.showing.diff_answer import DiffAnswer
from ablative.orchestrator.showing.why_answer import WhyAnswer
from tests.helpers.sources import ROOT

FOLDER = ROOT / "docs/schemas"
ANSWERS: dict[str, type[BaseModel]] = {
    "cluster_check": ClusterCheckAnswer,
    "gate": GateAnswer,
    "diff": DiffAnswer,
    "why": WhyAnswer,
}


def text_of(model: type[BaseModel]) -> str:
    """Return the JSON Schema of what a command prints."""
    return json.dumps(model.model_json_schema(mode="serialization"), indent=2) + "\n"


if __name__ == "__main__":
    for name, model in ANSWERS.items():
        (FOLDER / f"{name}.json").write_text(text_of(model), encoding="utf-8")
