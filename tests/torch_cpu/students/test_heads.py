"""Task heads and losses against plain formulas."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch

from ablative.trainables.config import TrialConfig
from ablative.trainables.config import canonical
from ablative.trainables.parts.task import Head
from ablative.trainables.parts.task import RankedBy
from ablative.trainables.students.heads import ClassifierHead
from ablative.trainables.students.heads import log_odds
from ablative.trainables.students.heads import probabilities
from ablative.trainables.students.heads import starting_logit
from ablative.trainables.students.heads import task_loss
from ablative.trainables.students.heads import task_losses


def test_soft_targets_cost_the_sum_over_classes_of_binary_cross_entropy() -> None:
    logits, targets = torch.tensor([[0.3, -1.2, 2.0]]), torch.tensor([[1.0, 0.0, 0.6]])

    def cost(logit: float, target: float) -> float:
        p = 1 / (1 + math.exp(-logit))
        return -target * math.log(p) - (1 - target) * math.log(1 - p)

    expected = sum(cost(x, y) for x, y in zip(logits[0].tolist(), targets[0].tolist(), strict=True))
    torch.testing.assert_close(task_loss("independent", logits, targets), torch.tensor(expected))


@pytest.mark.parametrize("num_classes", [3, 40])
def test_classes_scored_by_themselves_start_at_one_in_k(num_classes: int) -> None:
    torch.manual_seed(0)
    head = ClassifierHead(8, num_classes, starting_logit("independent", num_classes))

    assert head(torch.zeros(1, 8)).sigmoid().mean().item() == pytest.approx(1 / num_classes, rel=0.3)
    assert starting_logit("candidates", 2) == 0.0


def test_vcr_asks_match_or_not_of_each_candidate() -> None:
    logits = torch.tensor([[0.1, 0.9], [0.4, 0.2], [1.0, -1.0], [0.0, 0.0]])
    targets = torch.tensor([[1.0, 0.0, 0.0, 0.0]])

    expected = -sum(
        math.log(math.exp(row[k]) / sum(map(math.exp, row)))
        for row, k in zip(logits.tolist(), (1, 0, 0, 0), strict=True)
    )
    torch.testing.assert_close(task_loss("candidates", logits, targets), torch.tensor(expected / 4))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("head", get_args(Head))
def test_losses_of_the_examples_have_the_mean_of_the_batch(head: Head, smoothing: float) -> None:
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(12 if head == "candidates" else 3, 2 if head == "candidates" else 4, generator=draw)
    targets = torch.eye(4)[[2, 0, 3]]

    losses = task_losses(head, logits, targets, smoothing)
    assert losses.shape == (3,)
    torch.testing.assert_close(losses.mean(), task_loss(head, logits, targets, smoothing))
    alone = [task_loss(head, part, y[None], smoothing) for part, y in zip(logits.chunk(3), targets, strict=True)]
    torch.testing.assert_close(losses, torch.stack(alone))


def test_log_odds_are_the_logits_or_how_much_more_each_candidate_matches_than_not() -> None:
    logits = torch.tensor([[0.1, 0.9], [0.4, 0.2], [1.0, -1.0], [0.0, 0.0]])
    assert torch.equal(log_odds("independent", logits, 1), logits)
    found = log_odds("candidates", logits, 4)
    torch.testing.assert_close(found.sigmoid()[0], logits.softmax(-1)[:, 1])


@pytest.mark.parametrize(("ranked_by", "order"), [("match_odds", [1, 0, 3, 2]), ("match_logit", [2, 1, 0, 3])])
def test_candidates_are_ranked_by_how_much_more_they_match_than_not_or_by_uniters_match_logit(
    ranked_by: RankedBy, order: list[int]
) -> None:
    logits = torch.tensor([[0.0, 2.0], [0.0, 3.0], [5.0, 3.5], [0.0, -1.0]])

    ranked = probabilities("candidates", logits, 4, ranked_by)
    assert ranked.shape == (1, 4)
    assert ranked.argsort(descending=True).tolist() == [order]
    torch.testing.assert_close(ranked.sum(), torch.tensor(1.0))
    if ranked_by == "match_logit":
        torch.testing.assert_close(ranked[0], logits[:, 1].softmax(0))


@pytest.mark.parametrize(("task", "matters"), [("vcr", True), ("snli_ve", False), ("vqa", False)])
def test_how_candidates_are_ranked_matters_where_there_are_candidates(task: str, matters: bool) -> None:
    plain, uniters = (
        canonical(TrialConfig.model_validate({"task": {"name": task, **said}}))
        for said in ({}, {"ranked_by": "match_logit"})
    )
    assert (plain != uniters) is matters
