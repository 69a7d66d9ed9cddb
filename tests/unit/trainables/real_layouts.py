"""Small data sets in the layouts of the real distributions, written by hand for the readers' tests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

Row = dict[str, Any]


def write_lines(path: Path, rows: Iterable[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def vcr_row(name: str, image: str = "film/a@0.jpg", **changes: Any) -> Row:
    return {
        "movie": "film",
        "img_fn": image,
        "metadata_fn": image.replace(".jpg", ".json"),
        "objects": ["person", "dog", "person"],
        "question": ["Why", "is", [0], "near", [1], "?"],
        "answer_choices": [[[0, 2], "like", "dogs"], ["A"], ["B"], ["C"]],
        "answer_label": 0,
        "rationale_choices": [["D"], ["E"], [[2], "smiles"], ["F"]],
        "rationale_label": 2,
        "annot_id": name,
    } | changes


def make_vcr(folder: Path, *, train: int = 2) -> Path:
    write_lines(folder / "train.jsonl", [vcr_row(f"train-{i}", f"film/{i}@0.jpg") for i in range(train)])
    write_lines(folder / "val.jsonl", [vcr_row("val-0"), vcr_row("val-1", question=["What", "is", "it", "?"])])
    unlabelled = {key: value for key, value in vcr_row("test-0").items() if not key.endswith("label")}
    write_lines(folder / "test.jsonl", [unlabelled])
    boxes = [[1, 2, 30, 40, 0.9], [5, 6, 7, 8, 0.8], [0, 0, 9, 9, 0.7]]
    write_json(folder / "vcr1images/film/a@0.json", {"boxes": boxes, "segms": [], "width": 60, "height": 50})
    return folder


def draw_pictures(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (60, 50), (200, 10, 10)).save(folder / name)


def snli_ve_row(pair: str, label: str = "neutral", **changes: Any) -> Row:
    return {"Flickr30K_ID": "123", "gold_label": label, "pairID": pair, "sentence2": "A  man\tSits."} | changes


def make_snli_ve(folder: Path) -> Path:
    for number, name in enumerate(("train", "dev", "test")):
        rows = [snli_ve_row(f"{name}-{i}", Flickr30K_ID=f"12{number}") for i in range(3)]
        write_lines(folder / f"snli_ve_{name}.jsonl", rows)
    (folder / "flickr30k_images").mkdir()
    return folder


def vqa_entry(number: int, image: int, answers: list[str], kind: str = "other") -> Row:
    return {
        "question_id": number,
        "image_id": image,
        "answer_type": kind,
        "question_type": "what is",
        "multiple_choice_answer": max(answers, key=answers.count),
        "answers": [{"answer": a, "answer_confidence": "yes", "answer_id": i} for i, a in enumerate(answers, start=1)],
    }


def write_vqa(folder: Path, subset: str, entries: list[Row], *, bare: bool = False) -> None:
    asked = [
        {key: entry[key] for key in ("question_id", "image_id")} | {"question": "What is it?"} for entry in entries
    ]
    files: Mapping[str, tuple[str, list[Row]]] = {
        f"v2_OpenEnded_mscoco_{subset}_questions.json": ("questions", asked),
        f"v2_mscoco_{subset}_annotations.json": ("annotations", entries),
    }
    for name, (field, rows) in files.items():
        write_json(folder / name, rows if bare else {"info": {}, field: rows})
    (folder / subset).mkdir(exist_ok=True)


def make_vqa(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    cats = [vqa_entry(i, i % 40, ["cat"] * 8 + ["dog", "The Dog"]) for i in range(100)]
    write_vqa(folder, "train2014", cats)
    write_vqa(folder, "val2014", [vqa_entry(1000 + i, 900 + i, ["dog"] * 10) for i in range(9)])
    return folder


def write_vqa_questions(folder: Path, subset: str, rows: list[Row]) -> None:
    """Questions without answers, as the official test files hold them."""
    content = {"info": {}, "task_type": "Open-Ended", "data_type": "mscoco", "data_subtype": subset, "questions": rows}
    write_json(folder / f"v2_OpenEnded_mscoco_{subset}_questions.json", content)
    (folder / "test2015").mkdir(exist_ok=True)


def make_vqa_cp(folder: Path, *, train: int = 60, test: int = 4) -> Path:
    """VQA-CP v2: bare lists, and both halves of VQA v2 in each file."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, count, first in (("train", train, 0), ("test", test, 5000)):
        halves = [{"coco_split": "val2014" if i % 2 else "train2014"} for i in range(count)]
        entries = [vqa_entry(first + i, first + i, ["cat"] * 10) | half for i, half in enumerate(halves)]
        asked = [
            {key: entry[key] for key in ("question_id", "image_id", "coco_split")} | {"question": "What is it?"}
            for entry in entries
        ]
        write_json(folder / f"vqacp_v2_{split}_questions.json", asked)
        write_json(folder / f"vqacp_v2_{split}_annotations.json", entries)
    for name in ("train2014", "val2014"):
        (folder / name).mkdir(exist_ok=True)
    return folder
