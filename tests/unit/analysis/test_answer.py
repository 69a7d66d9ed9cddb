"""Sentences are never stronger than the numbers."""

from __future__ import annotations

from collections.abc import Callable

from ablative.analysis.pairing.observations import observe
from ablative.analysis.plan import read_plan
from ablative.analysis.showing.answer import answer
from ablative.analysis.showing.findings import Findings
from ablative.analysis.showing.findings import against_controls
from ablative.analysis.showing.findings import strongest_first
from ablative.analysis.views.claims import claims_view
from ablative.analysis.views.effects import effects_view
from ablative.orchestrator.storing.records import Record
from tests.helpers.results import StudyResults
from tests.helpers.results import as_failed


def sentences(study: StudyResults, keep: Callable[[Record], Record | None] = lambda record: record) -> list[str]:
    plan = read_plan(study.stored())
    table = study.table(keep)
    observations = observe(table, plan)
    found = Findings(
        plan=plan,
        observations=observations,
        effects=effects_view(table, plan).to_pylist(),
        claims=strongest_first(claims_view(table, plan).to_pylist()),
        against_controls=against_controls(observations, plan),
        robustness=[],
    )
    return answer(found)


def test_a_shown_difference_is_said_with_size_interval_and_support() -> None:
    said = sentences(StudyResults(effect={"clip_td": 0.04}))

    assert any(
        sentence.startswith("clip_td is better than no_distillation on test/accuracy, by 0.04")
        and "95 % interval" in sentence
        and "12 blocks" in sentence
        for sentence in said
    )


def test_no_shown_difference_is_not_said_to_be_equality() -> None:
    said = " ".join(sentences(StudyResults()))

    assert "No difference between clip_td and no_distillation was shown" in said
    assert "the data allow differences from -" in said
    assert not any(word in said for word in ("better", "equal", "same", "no effect"))


def test_too_few_seeds_give_no_claim_about_any_arm() -> None:
    said = " ".join(sentences(StudyResults(effect={"clip_td": 0.5}, confirm=(1, 2))))

    assert "Not enough seeds" in said
    assert "7 paired blocks of task and seed are needed" in said
    assert not any(word in said for word in ("better", "worse", "was shown"))


def test_missing_trials_make_the_answer_provisional_and_failed_ones_are_named() -> None:
    study = StudyResults(conditions={}, confirm=tuple(range(1, 10)))

    def lose(record: Record) -> Record | None:
        return None if record.phase == "confirm" and record.seed == 9 else record

    def fail(record: Record) -> Record:
        return as_failed(record) if record.phase == "confirm" and record.seed == 9 else record

    assert sentences(study, lose)[0] == "Provisional: 4 of 36 planned confirm trials are missing, and 0 failed."
    assert sentences(study, fail)[0] == "4 of 36 planned confirm trials failed, and the answer leaves them out."


def test_a_control_that_gains_is_a_warning() -> None:
    said = sentences(StudyResults(effect={"clip_td": 0.05, "shuffled_teacher": 0.05}))

    assert said[-1].startswith("shuffled_teacher being a control")
    assert not any("being a control" in sentence for sentence in sentences(StudyResults(effect={"clip_td": 0.05})))


def test_a_lone_reference_has_nothing_to_be_compared_with() -> None:
    assert sentences(StudyResults(arms=("base",))) == [
        "Only the reference arm base is planned, so there is nothing to compare it with."
    ]


def test_many_arms_of_one_verdict_share_a_sentence() -> None:
    arms = ("no_distillation", *(f"arm_{i}" for i in range(4)), *(f"gain_{i}" for i in range(4)), "shuffled_teacher")
    said = sentences(StudyResults(arms=arms, effect={f"gain_{i}": 0.04 + i / 100 for i in range(4)}))

    assert len(said) == 3
    assert said[0].startswith("gain_0, gain_1, gain_2 and gain_3 are better than no_distillation on test/accuracy, by")
    assert "corrected p 0.0" in said[0] and "at most, 12 blocks" in said[0]
    assert "no_distillation was shown on test/accuracy for arm_0, arm_1, arm_2, arm_3 and" in said[1]
    assert "shuffled_teacher (control)" in said[1] and "the data allow differences from -" in said[1]
    assert said[2] == (
        "gain_0, gain_1, gain_2 and gain_3 are better than the control shuffled_teacher on test/accuracy."
    )
