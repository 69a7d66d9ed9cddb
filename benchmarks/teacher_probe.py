"""What a teacher knows of the bundled benchmark: a linear probe on its features, beside what needs no teacher.

    python benchmarks/teacher_probe.py               # the default teacher, all tasks and fractions
    python benchmarks/teacher_probe.py --students docs/results/mini_clip_td
    python benchmarks/teacher_probe.py --quick       # the smallest benchmark: it says little

Each figure is accuracy on `val` of a probe fitted on a share of `train` (`trainables.teachers.probing`; VCR:
Q->AR), mean over subsets of several seeds below 1.0. `--students` names a store with the records of a study whose
reference is the plain student: what its confirm trials reach on `val` stands beside. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from statistics import mean
from typing import Any

from ablative.progress import Progress
from ablative.trainables.cache import cache_folder
from ablative.trainables.config import TaskConfig
from ablative.trainables.config import TeacherConfig
from ablative.trainables.data.load import load_split
from ablative.trainables.data.subsets import subset
from ablative.trainables.teachers.feature_blocks import compute_block
from ablative.trainables.teachers.feature_blocks import missing_blocks
from ablative.trainables.teachers.feature_cache import TeacherFeatures
from ablative.trainables.teachers.feature_cache import open_features
from ablative.trainables.teachers.probing import SIDES
from ablative.trainables.teachers.probing import majority
from ablative.trainables.teachers.probing import probe

FRACTIONS = (0.01, 0.05, 0.1, 0.2, 1.0)
TASKS = ("snli_ve", "vqa", "vcr")


def features_of(config: TeacherConfig, splits: list[Any], progress: Progress) -> TeacherFeatures:
    """Return features of all pictures and texts of some splits of one task; missing ones are computed."""
    cache = cache_folder()
    if (prepare := config.part.prepare) is not None:
        prepare(config, cache, progress)
    blocks = missing_blocks(config, [(split, ("images", "texts")) for split in splits], cache)
    for number, block in enumerate(blocks):
        progress(f"{config.model}: {block.stage}", number, len(blocks))
        compute_block(block, cache)
    return open_features(config, cache, splits[0])


def rows(teacher: str, task: str, data: str, seeds: list[int], progress: Progress) -> Iterator[dict[str, Any]]:
    """Yield one row a fraction."""
    # In float32 the pictures are looked at: no region features are needed.
    config = TeacherConfig.model_validate({"model": teacher, "precision": "float32"})
    part = TaskConfig.model_validate({"name": task}).part
    train, val = (load_split(part, data, split, cache_folder()) for split in ("train", "val"))
    features = features_of(config, [train, val], progress)
    for fraction in FRACTIONS:
        drawn = [subset(train, fraction, seed) for seed in (seeds if fraction < 1 else seeds[:1])]
        found: dict[str, float] = {
            sides: mean(probe(some, val, features, sides=sides).accuracy for some in drawn) for sides in SIDES
        }
        yield {
            "teacher": teacher,
            "task": task,
            "fraction": fraction,
            "examples": round(mean(len(some.examples) for some in drawn)),
            "majority": mean(majority(some, val) for some in drawn),
            **found,
        }


def plain_students(store: str) -> dict[tuple[str, float], float]:
    """Return mean accuracy on `val` of the reference arm's confirm trials, by task and share of train."""
    import ablative

    asked = (
        'select task, data_fraction, avg("val/accuracy") as accuracy from trials '
        "where is_reference and phase = 'confirm' and status = 'completed' group by all"
    )
    found = ablative.load(store).arrow(asked).to_pylist()
    return {(row["task"], row["data_fraction"]): row["accuracy"] for row in found}


def table(found: list[dict[str, Any]], students: dict[tuple[str, float], float]) -> str:
    """Markdown: a row for each teacher, task and fraction."""
    lines = [
        "| teacher | task | share of train | examples | majority | text alone | image alone | probe | student |",
        "| --- " * 9 + "|",
    ]
    for row in found:
        student = students.get((row["task"], row["fraction"]))
        accuracies = [f"{row[name]:.3f}" for name in ("majority", "text", "image", "both")]
        cells = [row["teacher"], row["task"], f"{row['fraction']:g}", str(row["examples"]), *accuracies]
        cells.append("-" if student is None else f"{student:.3f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", nargs="+", default=["mini_dual_encoder"])
    parser.add_argument("--task", nargs="+", default=list(TASKS), choices=TASKS)
    parser.add_argument("--data", default="mini")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--students", help="store of a study whose reference is the plain student")
    parser.add_argument("--quick", action="store_true", help="mini_smoke and one seed")
    arguments = parser.parse_args()
    data, seeds = ("mini_smoke", [1]) if arguments.quick else (arguments.data, arguments.seeds)
    students = plain_students(arguments.students) if arguments.students else {}
    found = []
    for teacher in arguments.teacher:
        for task in arguments.task:
            for row in rows(teacher, task, data, seeds, _print):
                found.append(row)
                print(json.dumps(row), flush=True)
    print(table(found, students))
    print(json.dumps(found))


def _print(what: str, done: int, total: int) -> None:
    print(f"{what}: {done}/{total}", flush=True)


if __name__ == "__main__":
    main()
