from __future__ import annotations

from dataclasses import replace

import pytest

from ablative.orchestrator.trials import trial_ids
from ablative.orchestrator.trials import with_parameters
from ablative.trainables import identity
from ablative.trainables.config import TaskConfig
from ablative.trainables.config import TrialConfig
from ablative.trainables.config import canonical
from ablative.trainables.kinds.clip_td import CLIP_TD
from ablative.trainables.parts.trainable import Digests
from ablative.trainables.parts.trainable import Trainable

PLAIN = TrialConfig()
NAIVE = with_parameters(CLIP_TD, PLAIN, {"distillation.terms.image": 1.0})


READ = {"data", "teacher", "student"}


def _id(config: TrialConfig = PLAIN, trainable: Trainable = CLIP_TD, **changes: object) -> str:
    known = {
        "seeds": (1,),
        "evaluate": ("val", "test"),
        "parts": {},
    }
    digests = replace(
        Digests(data="d", teacher="t", student="s"), **{name: changes.pop(name) for name in READ & changes.keys()}
    )
    return trial_ids(trainable, canonical(config), digests=digests, **{**known, **changes})[0]  # type: ignore[arg-type]


def test_id_is_twenty_hex_digits() -> None:
    assert len(_id()) == 20
    assert set(_id()) <= set("0123456789abcdef")


def test_id_does_not_depend_on_how_a_default_is_spelled() -> None:
    spelled = TrialConfig.model_validate({"task": {"name": "snli_ve"}, "optim": {"lr": 5e-4}})
    assert _id(spelled) == _id()


def test_id_does_not_depend_on_fields_without_effect() -> None:
    assert _id(with_parameters(CLIP_TD, PLAIN, {"teacher.model": "ViT-B-32"})) == _id()
    assert _id(with_parameters(CLIP_TD, NAIVE, {"teacher.model": "ViT-B-32"})) != _id(NAIVE)


def test_id_does_not_depend_on_the_order_of_splits() -> None:
    assert _id(evaluate=("test", "val")) == _id()


@pytest.mark.parametrize(
    "change",
    [{"seeds": (2,)}, {"evaluate": ("val",)}, {"data": "e"}, {"teacher": "u"}, {"student": "v"}],
    ids=lambda change: next(iter(change)),
)
def test_id_depends_on_everything_that_is_computed(change: dict[str, object]) -> None:
    assert _id(**change) != _id()


def test_id_depends_on_the_identity_version() -> None:
    assert _id(trainable=replace(CLIP_TD, identity_version=CLIP_TD.identity_version + 1)) != _id()


def test_only_an_adapted_teacher_has_the_version_of_adaptation_in_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    adapted = [with_parameters(CLIP_TD, NAIVE, {"distillation.adaptation.of": of}) for of in ("teacher", "student")]
    before = [_id(config) for config in (PLAIN, NAIVE, *adapted)]
    monkeypatch.setattr(identity, "ADAPTATION_VERSION", identity.ADAPTATION_VERSION + 1)
    after = [_id(config) for config in (PLAIN, NAIVE, *adapted)]
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, True, False, True]


def test_only_trials_that_read_the_confidence_in_answers_have_its_version_in_their_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def configs() -> list[TrialConfig]:
        found = []
        for task in ("vqa", "snli_ve", "vcr"):
            learned = {"task.name": task, "distillation.weighting.confidence": "ratio"}
            found += [with_parameters(CLIP_TD, of, learned) for of in (NAIVE, PLAIN)]
        unread = {"task.name": "vqa", "distillation.weighting.confidence": "none"}
        probabilities = {**unread, "distillation.terms.logits": 1.0}
        return [*found, *(with_parameters(CLIP_TD, NAIVE, changes) for changes in (unread, probabilities))]

    before = [_id(config) for config in configs()]
    monkeypatch.setattr(identity, "CONFIDENCE_VERSION", identity.CONFIDENCE_VERSION + 1)
    after = [_id(config) for config in configs()]
    assert [old != new for old, new in zip(before, after, strict=True)] == [True, *[False] * 6, True]


def test_id_depends_on_a_trainable_that_is_not_the_first_and_on_parts_that_do_not_ship() -> None:
    others = [
        _id(),
        _id(trainable=replace(CLIP_TD, name="another")),
        _id(parts={"term/focal": "a"}),
        _id(parts={"term/focal": "b"}),
    ]
    assert len(set(others)) == 4


def test_a_new_field_at_its_old_meaning_changes_no_id() -> None:
    class Later(TaskConfig):
        curriculum: str = "none"

    class LaterConfig(TrialConfig):
        task: TaskConfig = Later()

    assert _id(LaterConfig()) == _id()
    assert _id(LaterConfig(task=Later(curriculum="easy_first"))) != _id()


def test_parameters_are_set_and_checked() -> None:
    assert with_parameters(CLIP_TD, PLAIN, {"optim.lr": 1e-3}).optim.lr == 1e-3
    with pytest.raises(ValueError, match="greater than or equal to"):
        with_parameters(CLIP_TD, PLAIN, {"optim.lr": -1.0})


def test_id_depends_on_how_many_workers_an_elastic_trial_may_have_and_on_no_fixed_number() -> None:
    assert len({_id(), _id(workers=(8, 4, 2)), _id(workers=(8, 4))}) == 3
    assert _id(workers=()) == _id()
