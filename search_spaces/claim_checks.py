"""Checks that a study's claims and weights name arms, conditions and splits that it has."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterator

from ablative.search_spaces.document import Document
from ablative.search_spaces.errors import Mistake
from ablative.search_spaces.study import Study
from ablative.search_spaces.wording import one_of
from ablative.search_spaces.wording import shown
from ablative.splits import SHIFTED
from ablative.splits import is_shifted


def claim_mistakes(document: Document, study: Study, arms: Collection[str]) -> Iterator[Mistake]:
    """All mistakes of the claims of a study with these arms."""
    for name, claim in study.comparisons.claims.items():
        place = ("comparisons", "claims", name)
        for role, arm in (("arm", claim.arm), ("against", claim.against)):
            if arm not in arms:
                yield document.mistake((*place, role), f"an unknown arm {arm}", one_of(arm, arms))
        if claim.arm == claim.against:
            yield document.mistake((*place, "against"), f"{claim.arm}, the arm itself", "another arm")
        if claim.at_least is not None and claim.equivalent_within is not None:
            found = f"{shown(claim.equivalent_within)} beside at_least: {shown(claim.at_least)}"
            yield document.mistake((*place, "equivalent_within"), found, "left out, or moved to a second claim")
        for path, values in claim.where.items():
            here = (*place, "where", path)
            if path not in study.conditions:
                found = f"{path}, which is not a condition of this study"
                yield document.mistake(here, found, one_of(path, study.conditions) if study.conditions else "left out")
                continue
            for index, value in enumerate(values):
                if value not in study.conditions[path]:
                    yield document.mistake((*here, index), shown(value), one_of(value, study.conditions[path]))
        for index, split in enumerate(claim.splits):
            shifted = is_shifted(split) and SHIFTED in study.evaluate
            if split not in study.evaluate and not shifted:
                found = f"{split}, which the study does not evaluate"
                yield document.mistake((*place, "splits", index), found, one_of(split, study.evaluate))


def weight_mistakes(document: Document, study: Study) -> Iterator[Mistake]:
    """All mistakes of the weights of a study's conditions."""
    place = ("comparisons", "weights")
    weights, estimate = study.comparisons.weights, study.comparisons.estimate
    if weights is None:
        return
    if estimate != "mean":
        yield document.mistake(place, f"weights beside estimate: {estimate}", "left out, or estimate: mean")
    for path, of_values in weights.items():
        if path not in study.conditions:
            found = f"{path}, which is not a condition of this study"
            known = one_of(path, study.conditions) if study.conditions else "left out"
            yield document.mistake((*place, path), found, known)
            continue
        names = [str(value) for value in study.conditions[path]]
        for name in of_values:
            if name not in names:
                yield document.mistake((*place, path, name), name, one_of(name, names))
