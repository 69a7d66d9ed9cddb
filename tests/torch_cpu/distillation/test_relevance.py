from __future__ import annotations

import math

import pytest
import torch

from trainables.config import SelectionConfig
from trainables.distillation.relevance import prior_logits
from trainables.distillation.relevance import standardise


def plain_cosine(a: list[float], b: list[float]) -> float:
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a)) / math.sqrt(sum(y * y for y in b))


def plain_standardised(values: list[float]) -> list[float]:
    mean = sum(values) / len(values)
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))
    return [(v - mean) / deviation if deviation > 1e-6 else 0.0 for v in values]


def plain_logits(targets, share: float, temperature: float) -> list[list[float]]:
    answer = []
    for b, mask in enumerate(targets.word_mask_BN.tolist()):
        words = [targets.isolated_BNT[b, i].tolist() for i, is_word in enumerate(mask) if is_word]
        visual = plain_standardised([plain_cosine(word, targets.image_BT[b].tolist()) for word in words])
        semantic = plain_standardised([plain_cosine(word, targets.text_BT[b].tolist()) for word in words])
        answer.append([(share * v + (1 - share) * s) / temperature for v, s in zip(visual, semantic, strict=True)])
    return answer


@pytest.mark.parametrize(("score", "share"), [("visual", 1.0), ("semantic", 0.0), ("visual_semantic", 0.7)])
def test_prior_logits_equal_the_formula_computed_word_by_word(make_targets, score, share):
    targets = make_targets()
    selection = SelectionConfig(score=score, visual_share=0.7, temperature=0.4)
    logits_BN = prior_logits(selection, targets)
    for row, mask, expected in zip(logits_BN, targets.word_mask_BN, plain_logits(targets, share, 0.4), strict=True):
        assert row[mask].tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("score", ["leave_one_out", "keyword", "content"])
def test_a_relevance_known_before_training_is_standardised_over_the_words(make_targets, score):
    targets = make_targets()
    logits_BN = prior_logits(SelectionConfig(score=score, temperature=0.4), targets)
    for row, known, mask in zip(logits_BN, targets.relevance_BN, targets.word_mask_BN, strict=True):
        expected = [z / 0.4 for z in plain_standardised(known[mask].tolist())]
        assert row[mask].tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("score", ["random", "all"])
def test_scores_without_relevance_have_a_flat_prior(make_targets, score):
    assert not prior_logits(SelectionConfig(score=score), make_targets()).any()


def test_padding_has_no_influence_on_relevance(make_targets):
    targets = make_targets()
    before_BN = prior_logits(SelectionConfig(), targets)
    targets.isolated_BNT[~targets.word_mask_BN] = 1e3
    assert torch.equal(prior_logits(SelectionConfig(), targets), before_BN)


def test_equal_relevances_single_words_and_empty_sentences_standardise_to_zero():
    mask_BN = torch.tensor([[True, True, True], [True, False, False], [False, False, False]])
    relevance_BN = torch.tensor([[0.3, 0.3, 0.3 + 1e-8], [0.9, 0.1, 0.5], [0.1, 0.2, 0.3]])
    assert not standardise(relevance_BN, mask_BN).any()


def test_relevance_reads_isolated_words_and_not_the_target_features(make_targets):
    targets = make_targets()
    before_BN = prior_logits(SelectionConfig(), targets)
    targets.words_BNT.add_(5.0)
    assert torch.equal(prior_logits(SelectionConfig(), targets), before_BN)
