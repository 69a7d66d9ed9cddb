"""The card of an exported student: where it comes from and what it reached, as Hugging Face's hub reads it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ablative.analysis.views.results import load
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.store import Store

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


def card(uri: str, study: str, record: Record, files: Sequence[str], inputs: Sequence[str]) -> str:
    """Return README.md: metadata with `model-index`, question, result with interval, and how to load the student."""
    results = load(uri, study)
    config = json.loads(record.config)
    task = config["task"]
    effect = _effect(results.arrow("effects").to_pylist(), record)
    lines = [
        "---",
        json.dumps(_metadata(study, record, config), indent=2, ensure_ascii=False),
        "---",
        f"# {study}: {record.arm}",
        "",
        _question(uri, study),
        "",
        f"One trained student, trial `{record.trial_id}` (seed {record.seed}) of {record.cell}.",
        "",
        "| metric | this student |",
        "| --- | --- |",
        *[
            f"| {name} | {value:.6g} |"
            for name, value in sorted(record.metrics.items())
            if name.split("/")[0] != "train"
        ],
        "",
        *_result(effect),
        f"Task {task['name']} on {task['data']}, {task['data_fraction']:g} of its training data "
        f"(digest `{record.data_digest[:12]}`). Teacher {config['teacher']['model']} "
        f"(digest `{record.teacher_digest[:12] or 'none took part'}`).",
        f"Code: commit {record.commit or 'not known'}{' with changes' if record.dirty else ''}, "
        + ", ".join(f"{name} {version}" for name, version in sorted(record.versions.items()))
        + ".",
        "",
        "## Loading",
        "",
        "Torch and safetensors are all that it needs. In this folder:",
        "",
        "```python",
        (_LOADING if "modeling.py" in files else _PROGRAM).rstrip(),
        "```",
        "",
        "| input | what it is: B sequences, L tokens, R regions, F features, I pictures |",
        "| --- | --- |",
        *[f"| `{name}` | {_INPUTS[name]} |" for name in inputs],
        "",
    ]
    return "\n".join(lines)


def _question(uri: str, study: str) -> str:
    return str(Store.open(uri).study(study).get("question", ""))


def _effect(rows: list[dict[str, Any]], record: Record) -> dict[str, Any] | None:
    held = [row for row in rows if row["arm"] == record.arm and row["is_headline"] and row["family"] == "pooled"]
    return held[0] if held else None


def _result(effect: dict[str, Any] | None) -> list[str]:
    if effect is None or effect["mean"] is None:
        return []
    said = f"Its arm reached {effect['metric']} {effect['mean']:.4f}, mean of {effect['n']}"
    if effect["ci_low"] is not None:
        said += f", 95 % interval {effect['ci_low']:.4f} to {effect['ci_high']:.4f}"
    said += "."
    if not effect["is_reference"] and effect["difference"] is not None:
        said += f" Against {effect['reference']}: {effect['difference']:+.4f}"
        if effect["diff_ci_low"] is not None:
            said += f" ({effect['diff_ci_low']:+.4f} to {effect['diff_ci_high']:+.4f})"
        said += f", {effect['verdict']}."
    return [said, ""]


def _metadata(study: str, record: Record, config: dict[str, Any]) -> dict[str, Any]:
    measured = [
        {"type": name.partition("/")[2], "name": name, "value": value}
        for name, value in sorted(record.metrics.items())
        if not name.startswith("train/")
    ]
    result = {
        "task": {"type": "visual-question-answering", "name": config["task"]["name"]},
        "dataset": {"type": config["task"]["name"], "name": str(config["task"]["data"])},
        "metrics": measured,
    }
    name = f"{study}-{record.arm}"
    return {
        "library_name": "pytorch",
        "tags": ["distillation", "ablative"],
        "model-index": [{"name": name, "results": [result]}],
    }
