"""`clip_td`, the trainable of a study that names no other: CLIP Targeted Distillation. No torch."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path

from ablative.progress import Progress
from ablative.trainables.arms import arms_of
from ablative.trainables.config import IDENTITY_VERSION
from ablative.trainables.config import ROLES
from ablative.trainables.config import TrialConfig
from ablative.trainables.config import canonical
from ablative.trainables.config import contradictions
from ablative.trainables.config import without_scale
from ablative.trainables.elastic import elastic
from ablative.trainables.identity import without_places
from ablative.trainables.job import Link
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from ablative.trainables.parts.catalogue import Catalogue
from ablative.trainables.parts.extended import trial_config
from ablative.trainables.parts.named import metric_names
from ablative.trainables.parts.named import open_splits
from ablative.trainables.parts.named import split_names
from ablative.trainables.parts.part import Part
from ablative.trainables.parts.preparation import Preparation
from ablative.trainables.parts.term import Term
from ablative.trainables.parts.trainable import Digests
from ablative.trainables.parts.trainable import Exposure
from ablative.trainables.parts.trainable import Foresights
from ablative.trainables.parts.trainable import Trainable
from ablative.trainables.recipes import RECIPES


def _run(job: TrialJob, link: Link) -> TrialOutcome:
    from ablative.trainables.trial import run_trial

    return run_trial(job, link)


def _uses(config: TrialConfig, catalogue: Catalogue) -> Iterator[Part]:
    terms = config.distillation.terms
    yield config.task.part
    yield config.student.part
    yield from (term for term in catalogue.of(Term).values() if getattr(terms, term.name) > 0)
    yield from dict.fromkeys(teacher.part for teacher, _ in config.taught_by)


def _digests(cache: Path, progress: Progress) -> Callable[[TrialConfig], Digests]:
    from ablative.trainables.digests import InputDigests

    return InputDigests(cache, progress).of


def _exposure(cache: Path) -> Callable[[TrialConfig], Exposure]:
    from ablative.trainables.exposure import Exposures

    return Exposures(cache).of


def _foresights(cache: Path, digests: Callable[[TrialConfig], Digests]) -> Foresights:
    from ablative.trainables.teachers.probes import TeacherProbes

    return TeacherProbes(cache, digests)


def _splits(config: TrialConfig) -> tuple[str, ...]:
    from ablative.trainables.data.splits import splits_of

    return tuple(splits_of(config.task.part, config.task.data))


def _absent(configs: Iterable[TrialConfig]) -> tuple[str, ...]:
    from ablative.trainables.absent import absent

    return absent(configs)


def _cpu_refusals(configs: Iterable[TrialConfig]) -> tuple[str, ...]:
    from ablative.trainables.bfloat16 import refusals

    return refusals(configs)


def _preparation() -> Preparation:
    from ablative.trainables.prepare import preparation

    return preparation()


def _student_bytes(config: TrialConfig) -> int:
    return 4 * config.student.part.presets[config.student.preset].parameters  # float32


CLIP_TD = Trainable(
    name="clip_td",
    description="CLIP Targeted Distillation: a student of pictures and text learns from a frozen CLIP.",
    config=trial_config,
    run=_run,
    roles=ROLES,
    canonical=canonical,
    identity=without_places,
    uses=_uses,
    digests=_digests,
    exposure=_exposure,
    foresights=_foresights,
    splits=_splits,
    all_splits=split_names,
    open_splits=open_splits,
    metrics=metric_names,
    arms=arms_of,
    recipes=RECIPES,
    contradictions=contradictions,
    elastic=elastic,
    without_scale=without_scale,
    absent=_absent,
    cpu_refusals=_cpu_refusals,
    preparation=_preparation,
    student_bytes=_student_bytes,
    identity_version=IDENTITY_VERSION,
)

PARTS = [CLIP_TD]
