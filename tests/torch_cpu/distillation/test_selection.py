from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from ablative.trainables.config import SelectionConfig
from ablative.trainables.distillation.outputs import TeacherOutputs
from ablative.trainables.distillation.selection import num_selected
from ablative.trainables.distillation.selection import sample
from ablative.trainables.distillation.selection import select
from ablative.trainables.distillation.selection import softmax_over
from ablative.trainables.distillation.selection import top_k


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def plain_selection(logits: list[float], k: int, weights: str) -> list[float]:
    """Best k words of one sentence, shares from the prior softmax over *all* words, renormalised on the chosen."""
    prior = [math.exp(x) / sum(math.exp(y) for y in logits) for x in logits]
    chosen = sorted(range(len(logits)), key=lambda i: (-logits[i], i))[:k]
    mass = sum(prior[i] for i in chosen)
    return [(prior[i] / mass if weights == "prior" else 1 / k) if i in chosen else 0.0 for i in range(len(logits))]


@pytest.mark.parametrize("weights", ["prior", "uniform"])
def test_top_k_selection_equals_a_sort_of_each_sentence(make_targets, weights):
    targets = make_targets()
    config = SelectionConfig(ratio=0.4, weights=weights)
    selection = select(config, targets.prior, targets.word_mask, generator())
    for b, mask in enumerate(targets.word_mask):
        k = max(1, round(0.4 * int(mask.sum())))
        expected = plain_selection(targets.prior[b][mask].tolist(), k, weights)
        assert selection.weights_BN[b][mask].tolist() == pytest.approx(expected, abs=1e-9)
        assert selection.chosen_BN[b].tolist() == [share > 0 for share in selection.weights_BN[b].tolist()]


@settings(max_examples=40)
@given(
    lengths=st.lists(st.integers(0, 9), min_size=1, max_size=5),
    ratio=st.floats(0.01, 1),
    score=st.sampled_from(["visual", "semantic", "visual_semantic", "random", "all"]),
    draw=st.sampled_from(["top_k", "sampled"]),
    weights=st.sampled_from(["prior", "uniform"]),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
)
def test_selected_counts_and_shares_are_right_for_every_configuration(lengths, ratio, score, draw, weights, scale):
    config = SelectionConfig(score=score, ratio=ratio, draw=draw, weights=weights)
    targets = targets_of(lengths, scale)
    selection = select(config, targets.prior, targets.word_mask, generator())
    for b, n in enumerate(lengths):
        expected = n if score == "all" else min(n, max(1, round(ratio * n)))
        assert int(selection.chosen_BN[b].sum()) == expected
        assert selection.weights_BN[b].sum().item() == pytest.approx(1.0 if n else 0.0, abs=1e-6)
    assert not selection.chosen_BN[~targets.word_mask].any()
    assert not selection.weights_BN[~selection.chosen_BN].any()
    assert int(selection.chosen_BN.sum(-1).max()) <= selection.most <= targets.word_mask.shape[1]


def targets_of(lengths: list[int], scale: float) -> TeacherOutputs:
    batch, words = len(lengths), max(1, *lengths)
    draw = generator(len(lengths))
    return TeacherOutputs(
        index=torch.arange(batch),
        image=torch.randn(batch, 4, generator=draw),
        text=torch.randn(batch, 4, generator=draw),
        words=torch.randn(batch, words, 4, generator=draw),
        scale=4.0,
        prior=torch.randn(batch, words, generator=draw) * scale,
        visual=torch.zeros(batch, words),
        probabilities=torch.zeros(batch, 0),
        word_mask=torch.arange(words) < torch.tensor(lengths).unsqueeze(-1),
        confidence=torch.full((batch,), 0.5),
        cross_entropy=torch.full((batch,), 0.7),
        correct=torch.ones(batch, dtype=torch.bool),
    )


@pytest.mark.parametrize("n", range(12))
@pytest.mark.parametrize("ratio", [0.1, 0.3, 0.5, 1.0])
def test_number_of_selected_words_is_the_rounded_share_and_at_least_one(n, ratio):
    mask_BN = torch.arange(12).unsqueeze(0) < n
    assert num_selected(mask_BN, ratio).tolist() == [min(n, max(1, round(ratio * n)))]


@pytest.mark.parametrize("score", ["visual", "keyword", "random"])
@pytest.mark.parametrize("count", [1, 3, 100])
def test_a_count_is_the_number_of_words_whatever_the_ratio(make_targets, score, count):
    targets = make_targets(lengths=(7, 3, 0, 5))
    chosen_BN = select(
        SelectionConfig(score=score, count=count, ratio=1.0), targets.prior, targets.word_mask, generator()
    ).chosen_BN
    assert chosen_BN.sum(-1).tolist() == [min(count, n) for n in (7, 3, 0, 5)]


def test_sampling_draws_pairs_as_often_as_drawing_one_word_after_another():
    logits = [0.0, 1.0, -0.5, 2.0]
    prior = torch.softmax(torch.tensor(logits, dtype=torch.float64), 0).tolist()
    draws = 20_000
    mask_BN = torch.ones(draws, 4, dtype=torch.bool)
    chosen_BN = sample(torch.tensor([logits] * draws), mask_BN, torch.full((draws,), 2), generator(3))
    for i, j in itertools.combinations(range(4), 2):
        probability = prior[i] * prior[j] / (1 - prior[i]) + prior[j] * prior[i] / (1 - prior[j])
        frequency = (chosen_BN[:, i] & chosen_BN[:, j]).double().mean().item()
        assert abs(frequency - probability) < 4.5 * math.sqrt(probability * (1 - probability) / draws)


def test_random_words_are_each_chosen_equally_often(make_targets):
    targets = make_targets(lengths=(5,) * 4000)
    chosen_BN = select(
        SelectionConfig(score="random", ratio=0.4), targets.prior, targets.word_mask, generator(1)
    ).chosen_BN
    assert chosen_BN.double().mean(0).tolist() == pytest.approx([0.4] * 5, abs=0.035)


def test_the_same_seed_draws_the_same_words_and_another_seed_others(make_targets):
    targets = make_targets(lengths=(7,) * 30)
    config = SelectionConfig(draw="sampled")
    first, again, other = (
        select(config, targets.prior, targets.word_mask, generator(seed)).chosen_BN for seed in (5, 5, 6)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_top_k_selection_leaves_the_generator_alone(make_targets):
    draw, targets = generator(2), make_targets()
    before = draw.get_state()
    select(SelectionConfig(draw="top_k"), targets.prior, targets.word_mask, draw)
    assert torch.equal(draw.get_state(), before)


def test_of_equally_relevant_words_the_earlier_is_selected():
    mask_BN = torch.tensor([[False, True, True, True]])
    assert top_k(torch.zeros(1, 4), mask_BN, torch.tensor([2])).tolist() == [[False, True, True, False]]


def test_shares_survive_priors_that_underflow():
    logits_BN = torch.tensor([[1000.0, -1000.0, -1001.0]])
    shares_BN = softmax_over(logits_BN, torch.tensor([[False, True, True]]))
    assert shares_BN[0].tolist() == pytest.approx([0.0, 1 / (1 + math.exp(-1)), 1 / (1 + math.e)], abs=1e-6)
