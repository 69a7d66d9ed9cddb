"""Checks a study's sequential seeds: seeds for each look, and looks that can reach significance."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from ablative.search_spaces.document import Document
from ablative.search_spaces.errors import Mistake
from ablative.search_spaces.families import tasks_apart
from ablative.search_spaces.spending import in_force
from ablative.search_spaces.spending import pairs_needed
from ablative.search_spaces.spending import spent_at
from ablative.search_spaces.study import Study


def sequential_mistakes(document: Document, study: Study, task: str | None, num_arms: int) -> Iterator[Mistake]:
    """All mistakes of the looks of a study with so many arms, the reference among them."""
    if study.seeds.sequential is None:
        return
    place = ("seeds", "sequential")
    if study.arms.design == "path":
        expected = "left out: a path confirms its arms one after another"
        yield document.mistake(place, "early looks in the design `path`", expected)
        return
    if study.comparisons.correction == "benjamini_hochberg":
        expected = (
            "auto, holm, max_t or none: with it, a result that is clear at one look may not stay clear at the next"
        )
        yield document.mistake(("comparisons", "correction"), "benjamini_hochberg beside early looks", expected)
        return
    if study.seeds.sequential.futility is not None and study.comparisons.margin is None:
        expected = "left out, or a comparisons.margin: the chance is that of showing a difference beyond it"
        yield document.mistake((*place, "futility"), f"{study.seeds.sequential.futility:g} without a margin", expected)
        return
    looks = study.seeds.looks
    if any(later <= earlier for earlier, later in pairwise(looks)):
        expected = f"rising numbers of seeds below {looks[-1]}, the number of seeds.confirm"
        yield document.mistake((*place, "looks"), ", ".join(map(str, looks[:-1])), expected)
        return
    compared, tasks = num_arms - 1, tasks_apart(study, task)
    correction = in_force(
        study.comparisons.correction,
        comparisons=compared,
        pairs=tasks * looks[-1],
        alpha=study.comparisons.alpha,
        estimate=study.comparisons.estimate,
    )
    parts = spent_at(looks, study.seeds.sequential.spending, study.comparisons.alpha)
    for index, (seeds, alpha) in enumerate(zip(looks, parts, strict=True)):
        needed = pairs_needed(max(compared, 1), alpha, correction)
        if seeds * tasks < needed:
            what = f"{seeds} seeds, too few to reach significance at this look (alpha {alpha:.2g})"
            here = (*place, "looks", index) if index < len(looks) - 1 else ("seeds", "confirm")
            expected = f"at least {-(-needed // tasks)} seeds for {compared} comparisons, or another spending"
            yield document.mistake(here, what, expected)
