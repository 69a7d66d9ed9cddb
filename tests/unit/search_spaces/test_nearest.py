from __future__ import annotations

import pytest

from ablative.search_spaces.nearest import distance
from ablative.search_spaces.nearest import nearest

TERMS = ("terms.image", "terms.crd", "terms.affinity", "optim.lr", "optim.weight_decay", "selection.score")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("terms.focal", None),  # a shared beginning says nothing
        ("terms.imgae", "terms.image"),
        ("optim.wait_decay", "optim.weight_decay"),
        ("optm.lr", "optim.lr"),
        ("lr", "optim.lr"),
        ("student.score", "selection.score"),
        ("bayes", None),
    ],
)
def test_paths_are_compared_step_by_step(name: str, meant: str | None) -> None:
    assert nearest(name, TERMS) == meant


def test_a_word_of_the_field_is_known() -> None:
    assert nearest("bayes", ("cmaes", "random", "tpe")) == "tpe"


def test_a_name_is_told_by_its_beginning() -> None:
    assert nearest("naive", ("naive_text", "naive_distillation", "other")) == "naive_text"


@pytest.mark.parametrize(
    ("one", "other", "edits"), [("", "ab", 2), ("trails", "trials", 1), ("kitten", "sitting", 3), ("a", "a", 0)]
)
def test_distance_counts_edits(one: str, other: str, edits: int) -> None:
    assert distance(one, other) == distance(other, one) == edits
