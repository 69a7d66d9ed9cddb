"""The card of an exported student: where it comes from and what it reached, as Hugging Face's hub reads it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from ablative.analysis import rounding
from ablative.analysis.errors import AnalysisError
from ablative.analysis.pairing.observations import observe
from ablative.analysis.plan import StudyPlan
from ablative.analysis.showing.grids import CORRECTED
from ablative.analysis.showing.grids import TESTS
from ablative.analysis.showing.sentences import judged
from ablative.analysis.showing.sentences import sentence
from ablative.analysis.views.results import Results
from ablative.analysis.views.results import load
from ablative.orchestrator.learned import is_result
from ablative.orchestrator.storing.records import Record

_LOADING = """from safetensors.torch import load_file
from modeling import StudentBatch, load

student, example = load("."), load_file("example.safetensors")
expected = example.pop("logits")
print((student(StudentBatch(**example)).logits - expected).abs().max())  # 0, or nearly
"""
_PROGRAM = """import json, torch
from safetensors.torch import load_file

student, example = torch.export.load("model.pt2").module(), load_file("example.safetensors")
inputs = [example[name] for name in json.load(open("config.json"))["inputs"]]
print((student(*inputs) - example["logits"]).abs().max())  # 0, or nearly
"""
_INPUTS = {
    "ids_BL": "int64, the tokens: `[CLS]`, the text, `[SEP]`, by their line in `vocab.txt`; 0 fills up",
    "segments_BL": "int64: 0 of the question or statement, 2 of an answer, 3 of a rationale",
    "references_BL": "int64, the row of the image's regions that a token names, or -1",
    "text_mask_BL": "bool, where there is a token",
    "regions_BRF": "float32, features of the whole image and then of its regions",
    "boxes_BR7": "float32, x1, y1, x2, y2, width, height and area of each, relative to the image",
    "region_mask_BR": "bool, where there is a region",
    "pixels_I3HW": "uint8, the picture resized to 224 x 224",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """What a card must be told of an exported student."""

    files: Sequence[str]
    """Names in its folder."""
    inputs: Sequence[str]
    """Names of the tensors that it reads."""
    hub_task: str
    """What the hub calls its task."""


def card(uri: str, study: str, record: Record, leaving: Leaving) -> str:
    """Return README.md: metadata with `model-index`, question, result in the student's own cell, how to load it."""
    results = load(uri, study)
    plan = results.plan(study)
    config = json.loads(record.config)
    return "\n".join(
        [
            "---",
            json.dumps(_metadata(study, record, config, leaving.hub_task), indent=2, ensure_ascii=False),
            "---",
            f"# {study}: {record.arm}",
            "",
            plan.question,
            "",
            f"One trained student: trial `{record.trial_id}` of {_place(plan, record)}, seed {record.seed}; of those "
            f"that were kept the best on {plan.target.metric}.",
            "",
            "| metric | this student |",
            "| --- | --- |",
            *[f"| {name} | {value:.6g} |" for name, value in _measured(record)],
            "",
            "## Result of the study",
            "",
            *_result(results, plan, record),
            "",
            "## Made of",
            "",
            *_made_of(record, config),
            "",
            "## Loading",
            "",
            "The student needs only torch and safetensors. In this folder:",
            "",
            "```python",
            (_LOADING if "modeling.py" in leaving.files else _PROGRAM).rstrip(),
            "```",
            "",
            "| input | what it is: B sequences, L tokens, R regions, F features, I pictures |",
            "| --- | --- |",
            *[f"| `{name}` | {_INPUTS[name]} |" for name in leaving.inputs],
            "",
        ]
    )


def _measured(record: Record) -> list[tuple[str, float]]:
    """Return the metrics of evaluated splits, sorted; what is not finite has no place in a card."""
    found = ((name, value) for name, value in record.metrics.items() if is_result(name))
    return sorted((name, value) for name, value in found if math.isfinite(value))


def _place(plan: StudyPlan, record: Record) -> str:
    cell = plan.cell_of({"cell": record.cell, "cell_id": record.cell_id})
    return f"arm {record.arm}{f' at {cell.label}' if cell and cell.condition else ''}"


def _result(results: Results, plan: StudyPlan, record: Record) -> list[str]:
    """Return what the student's arm reached in its cell, and how that compares with the reference there."""
    cell = plan.cell_of({"cell": record.cell, "cell_id": record.cell_id})
    if cell is None:
        return ["The study's present plan no longer has this arm, so it is not compared."]
    try:
        rows = results.arrow("effects").to_pylist()
    except AnalysisError as error:
        return [f"Not compared with other arms: {str(error).splitlines()[0]}"]
    here = [row for row in rows if row["family"] == "cells" and row["condition"] == cell.label and row["is_headline"]]
    row = next((row for row in here if row["arm"] == record.arm), None)
    if row is None or row["mean"] is None:
        return [f"No trial of this arm has a value of {plan.headline}, so there is nothing to compare."]
    reference = next(one for one in here if one["is_reference"])
    shown = [row] if row["is_reference"] else [row, reference]
    completed = observe(results.observed(plan.study), plan).completed
    return [
        f"| arm at {cell.label} | {plan.headline}, mean | 95 % interval | seeds |",
        "| --- | --- | --- | --- |",
        *[_line(one, sorted(completed.get((one["arm"], cell.label), ()))) for one in shown],
        "",
        _compared(row, plan, cell.label),
    ]


def _line(row: Mapping[str, Any], seeds: Sequence[int]) -> str:
    reached, interval = rounding.ABSENT, rounding.ABSENT
    if row["mean"] is not None:
        reached = f"{row['mean']:.4f}"
    if row["ci_low"] is not None:
        interval = f"{row['ci_low']:.4f} to {row['ci_high']:.4f}"
    name = f"{row['arm']} (reference)" if row["is_reference"] else row["arm"]
    return f"| {name} | {reached} | {interval} | {', '.join(map(str, seeds))} |"


def _compared(row: Mapping[str, Any], plan: StudyPlan, place: str) -> str:
    if row["is_reference"]:
        return "This is the reference arm of the study."
    said = judged(row, row["arm"], row["reference"], f"on {plan.headline} at {place}", plan.comparisons.unit)
    difference = rounding.signed(row["difference"], rounding.half(row))
    interval = rounding.interval(row["verdict_ci_low"], row["verdict_ci_high"])
    test, corrected = TESTS[plan.comparisons.estimate], CORRECTED[plan.comparisons.correction]
    if plan.comparisons.correction != "none":
        corrected += f" for {row['comparisons']} comparisons"
    return (
        f"{sentence(said)} Difference {difference}, 95 % interval {interval}; {test}, {corrected}, "
        f"alpha {plan.comparisons.alpha:g}."
    )


def _made_of(record: Record, config: Mapping[str, Any]) -> list[str]:
    task, teachers = config["task"], config.get("teachers") or [config["teacher"]]
    names = " and ".join(one["model"] for one in teachers)
    taught = f"{names} (digest `{record.teacher_digest[:12]}`)" if record.teacher_digest else "none took part"
    commit = f"commit `{record.commit}`" if record.commit else "an unknown commit"
    versions = ", ".join(f"{name} {version}" for name, version in sorted(record.versions.items()))
    return [
        f"- Data: {task['name']} on {_shown(task['data'])} (digest `{record.data_digest[:12]}`), "
        f"{rounding.share(record.data_fraction)} of its training data.",
        f"- Teacher: {taught}.",
        f"- Code: {commit}{' with changes' if record.dirty else ''}; {versions}.",
    ]


def _shown(data: str) -> str:
    """Return the name of a data set; where its folder lies is nobody else's business."""
    return PurePath(data).name or data


def _metadata(study: str, record: Record, config: Mapping[str, Any], hub_task: str) -> dict[str, Any]:
    """Return what the hub reads: one result for each evaluated split."""
    splits: dict[str, list[dict[str, Any]]] = {}
    for name, value in _measured(record):
        split, _, metric = name.partition("/")
        splits.setdefault(split, []).append({"type": metric, "name": name, "value": value})
    task = config["task"]
    results = [
        {
            "task": {"type": hub_task, "name": task["name"]},
            "dataset": {"type": task["name"], "name": _shown(task["data"]), "split": split},
            "metrics": metrics,
        }
        for split, metrics in splits.items()
    ]
    return {
        "library_name": "pytorch",
        "pipeline_tag": hub_task,
        "tags": ["distillation", "ablative"],
        "model-index": [{"name": f"{study}-{record.arm}", "results": results}],
    }
