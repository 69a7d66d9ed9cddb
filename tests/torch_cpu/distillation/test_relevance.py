from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from ablative.trainables.config import SelectionConfig
from ablative.trainables.distillation.relevance import Relevance
from ablative.trainables.distillation.relevance import cosine_relevance
from ablative.trainables.distillation.relevance import standardise
from ablative.trainables.distillation.selection import prior_logits

LENGTHS = (7, 3, 1, 5)


def plain_cosine(a: list[float], b: list[float]) -> float:
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a)) / math.sqrt(sum(y * y for y in b))


def plain_standardised(values: list[float]) -> list[float]:
    mean = sum(values) / len(values)
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))
    return [(v - mean) / deviation if deviation > 1e-6 else 0.0 for v in values]


@pytest.fixture
def relevance() -> Relevance:
    """Random relevances of ragged sentences."""
    draw = torch.Generator().manual_seed(0)
    shape = (len(LENGTHS), max(LENGTHS))
    values = [torch.randn(shape, dtype=torch.float64, generator=draw) for _ in range(3)]
    mask_BN = torch.arange(shape[1]) < torch.tensor(LENGTHS).unsqueeze(-1)
    return Relevance(visual_BN=values[0], semantic_BN=values[1], known_BN=values[2], mask_BN=mask_BN)


def test_cosine_relevance_is_the_cosine_of_each_word() -> None:
    draw = torch.Generator().manual_seed(1)
    words_BNT, *wholes = (torch.randn(*shape, 5, generator=draw) for shape in ((2, 3), (2,), (2,)))
    for found_BN, whole_BT in zip(cosine_relevance(words_BNT, *wholes), wholes, strict=True):
        for b in range(2):
            expected = [plain_cosine(word.tolist(), whole_BT[b].tolist()) for word in words_BNT[b]]
            assert found_BN[b].tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("score", "share"), [("visual", 1.0), ("semantic", 0.0), ("visual_semantic", 0.7)])
def test_prior_logits_equal_the_formula_computed_word_by_word(relevance: Relevance, score: str, share: float) -> None:
    selection = SelectionConfig.model_validate({"score": score, "visual_share": 0.7, "temperature": 0.4})
    logits_BN = prior_logits(selection, relevance)
    for b, mask in enumerate(relevance.mask_BN):
        visual, semantic = (
            plain_standardised(of[b][mask].tolist()) for of in (relevance.visual_BN, relevance.semantic_BN)
        )
        expected = [(share * v + (1 - share) * s) / 0.4 for v, s in zip(visual, semantic, strict=True)]
        assert logits_BN[b][mask].tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("score", ["leave_one_out", "keyword", "content"])
def test_a_relevance_that_no_cosine_gives_is_standardised_over_the_words(relevance: Relevance, score: str) -> None:
    logits_BN = prior_logits(SelectionConfig.model_validate({"score": score, "temperature": 0.4}), relevance)
    for row, known, mask in zip(logits_BN, relevance.known_BN, relevance.mask_BN, strict=True):
        expected = [z / 0.4 for z in plain_standardised(known[mask].tolist())]
        assert row[mask].tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("score", ["random", "all"])
def test_scores_without_relevance_have_a_flat_prior(relevance: Relevance, score: str) -> None:
    assert not prior_logits(SelectionConfig.model_validate({"score": score}), relevance).any()


def test_padding_has_no_influence_on_the_prior(relevance: Relevance) -> None:
    other = replace(relevance, visual_BN=torch.where(relevance.mask_BN, relevance.visual_BN, 1e3))
    assert torch.equal(prior_logits(SelectionConfig(), other), prior_logits(SelectionConfig(), relevance))


def test_equal_relevances_single_words_and_empty_sentences_standardise_to_zero() -> None:
    mask_BN = torch.tensor([[True, True, True], [True, False, False], [False, False, False]])
    relevance_BN = torch.tensor([[0.3, 0.3, 0.3 + 1e-8], [0.9, 0.1, 0.5], [0.1, 0.2, 0.3]])
    assert not standardise(relevance_BN, mask_BN).any()
