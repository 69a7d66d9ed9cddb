"""Maps all spellings of one distillation to one configuration. Imports no torch."""

from __future__ import annotations

from typing import Any

from ablative.trainables.distillation.config import Distillation
from ablative.trainables.distillation.config import read_by
from ablative.trainables.distillation.scores import SCORES
from ablative.trainables.distillation.settings import AdaptationConfig
from ablative.trainables.distillation.settings import SelectionConfig
from ablative.trainables.distillation.settings import WeightingConfig
from ablative.trainables.distillation.weightings import WEIGHTINGS
from ablative.trainables.parts.term import Read


def canonical_distillation(config: Distillation) -> Distillation:
    """Return `config` with every field that cannot affect the result set to its default.

    If no term is on, no field has an effect. Otherwise the options of a term that is off have none, nor do shared
    settings that no active term shares. With a score without relevance, fields that only shape the prior have none.
    """
    default = config.all_defaults()
    if not config.distils:
        return default
    on = config.terms_on()
    reads = read_by(on)
    shared = {name for part in on for name in part.shares}
    update: dict[str, Any] = {
        name: getattr(default, name)
        for name, part in config.parts.items()
        if part.options is not None and part not in on
    }
    if "distance" not in shared:
        update["distance"] = default.distance
    if "projection" not in shared and config.adaptation.of != "student":
        update["projection"] = default.projection
    if not on and config.adaptation.of != "student":
        update["candidates"] = default.candidates
    update["selection"] = (
        _canonical_selection(_of_words(config.selection, default.selection, reads), default.selection)
        if "teacher.prior" in reads or "selection" in shared
        else _without_selection(config.selection, default.selection, reads)
    )
    update["weighting"] = _canonical_weighting(config, default.weighting)
    update["adaptation"] = _canonical_adaptation(config.adaptation, default.adaptation)
    return config.changed(**update)


def _of_words(selection: SelectionConfig, default: SelectionConfig, reads: frozenset[Read]) -> SelectionConfig:
    """Without selected words, all scores that have a relevance rank regions alike."""
    if "teacher.prior" in reads or "teacher.regions" not in reads:
        return selection
    score = selection.score if SCORES[selection.score].relevance is None else default.score
    features = selection.features if "teacher.words" in reads else default.features
    return selection.changed(score=score, visual_share=default.visual_share, features=features)


def _without_selection(
    selection: SelectionConfig, default: SelectionConfig, reads: frozenset[Read]
) -> SelectionConfig:
    """Nothing is selected, yet a term may read the features of all words."""
    return default.changed(features=selection.features) if "teacher.words" in reads else default


def _canonical_selection(selection: SelectionConfig, default: SelectionConfig) -> SelectionConfig:
    score = SCORES[selection.score]
    if score.every:  # nothing is drawn
        selection = selection.changed(ratio=default.ratio, count=default.count, draw=default.draw)
    if selection.count > 0:
        selection = selection.changed(ratio=default.ratio)
    if score.relevance is None:  # the prior is flat
        selection = selection.changed(temperature=default.temperature, draw=default.draw, weights=default.weights)
    if not score.mixes:
        selection = selection.changed(visual_share=default.visual_share)
    if selection.count == 1:  # the share of a single word is 1
        selection = selection.changed(weights=default.weights)
    flat = selection.weights == "uniform" or selection.count == 1
    if selection.draw == "top_k" and flat:  # ranks do not change with the temperature
        selection = selection.changed(temperature=default.temperature)
    return selection


def _canonical_weighting(config: Distillation, default: WeightingConfig) -> WeightingConfig:
    weighting = config.weighting
    if not config.has_terms:  # there is nothing to weigh but the task loss
        return default.changed(task=weighting.task)
    used = WEIGHTINGS[weighting.confidence]
    update: dict[str, Any] = {}
    if used.weight is None:
        update |= {"normalise": default.normalise, "uniform": default.uniform}
    update |= {name: getattr(default, name) for name in ("temperature", "max_weight") if name not in used.reads}
    return weighting.changed(**update)


def _canonical_adaptation(adaptation: AdaptationConfig, default: AdaptationConfig) -> AdaptationConfig:
    update: dict[str, Any] = {}
    if adaptation.of != "teacher":
        update |= {"steps": default.steps, "rate": default.rate}
    if adaptation.of != "student":
        update["share"] = default.share
    return adaptation.changed(**update)
