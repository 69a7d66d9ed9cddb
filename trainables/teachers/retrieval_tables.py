"""`python -m ablative.trainables.teachers.retrieval_tables` prints the tables of docs/teacher.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ablative.progress import silent
from ablative.trainables.benchmark.concepts import with_article
from ablative.trainables.benchmark.spec import preset
from ablative.trainables.cache import cache_folder
from ablative.trainables.teachers.alignment_pictures import draw
from ablative.trainables.teachers.alignment_pictures import single_pictures
from ablative.trainables.teachers.alignment_pictures import subjects
from ablative.trainables.teachers.dual_encoder import DualEncoder
from ablative.trainables.teachers.mini_dual_encoder import load_mini_dual_encoder
from ablative.trainables.teachers.mini_dual_encoder import untrained_mini_dual_encoder
from ablative.trainables.teachers.recipe import RECIPE
from ablative.trainables.teachers.recipe import AlignmentRecipe
from ablative.trainables.teachers.retrieval import PROMPT
from ablative.trainables.teachers.retrieval import held_out_retrieval
from ablative.trainables.teachers.retrieval import presence_auc
from ablative.trainables.teachers.retrieval import recall


def world_retrieval(teacher: DualEncoder, recipe: AlignmentRecipe) -> dict[str, dict[str, float]]:
    """Return for each style R@1 of the benchmark's own sprites among its concepts, for those that the teacher saw."""
    places = [place for place, subject in enumerate(subjects()) if subject.in_world]
    pictures = [p for p in single_pictures(recipe, held_out=False) if p.shown[0] in set(places)]
    result = {}
    for style in recipe.styles:
        chosen = [picture for picture in pictures if picture.style == style]
        labels = [PROMPT.format(with_article(subjects()[picture.shown[0]].labels[0])) for picture in chosen]
        result[style] = recall(teacher.encode_images([draw(p) for p in chosen]) @ teacher.encode_texts(labels).T)
    return result


def _table(rows: Sequence[Sequence[Any]]) -> str:
    head, *body = [[f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *body])


def main() -> None:
    """Measure the bundled teacher and its untrained control, and print Markdown."""
    torch.manual_seed(0)
    teachers = {
        "mini_dual_encoder": load_mini_dual_encoder(cache_folder(), silent),
        "untrained": untrained_mini_dual_encoder(),
    }
    rows: list[list[Any]] = [["teacher", "style", "pictures", "N", "R@1", "R@5", "chance"]]
    scenes: list[list[Any]] = [["teacher", "scenes", "seen", "held out, known", "held out, unknown"]]
    for name, teacher in teachers.items():
        for what, measured in (
            ("never seen", held_out_retrieval(teacher, RECIPE)),
            ("benchmark's, seen", world_retrieval(teacher, RECIPE)),
        ):
            for style, r in measured.items():
                number = int(r["candidates"])
                rows.append([name, style, what, number, r["recall_at_1"], r["recall_at_5"], r["chance"]])
        for split in ("test", "test_style"):
            auc = presence_auc(teacher, preset("mini"), split, 200)
            scenes.append([name, split, *(auc.get(key, "") for key in ("seen", "known", "unknown"))])
    print(_table(rows), _table(scenes), sep="\n\n")


if __name__ == "__main__":
    main()
