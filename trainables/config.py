"""The trial configuration: everything that decides what one trial computes. Imports neither torch nor ray.

Dotted paths in a study file (``distillation.selection.ratio``) address the fields below. `canonical` removes
what has no effect, so that two spellings of the same computation are equal and share one identity.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from typing import Annotated
from typing import Any
from typing import Literal
from typing import TypeAlias

from pydantic import Field
from pydantic import create_model

from ablative.trainables.benchmark.spec import SHIPPED_DATA
from ablative.trainables.benchmark.spec import TASKS
from ablative.trainables.benchmark.spec import tasks_made
from ablative.trainables.distillation.canonical import canonical_distillation
from ablative.trainables.distillation.config import DistillationConfig as DistillationConfig
from ablative.trainables.distillation.config import TermWeights as TermWeights
from ablative.trainables.distillation.settings import AdaptationConfig as AdaptationConfig
from ablative.trainables.distillation.settings import SelectionConfig as SelectionConfig
from ablative.trainables.distillation.settings import WeightingConfig as WeightingConfig
from ablative.trainables.parts.catalogue import shipped
from ablative.trainables.parts.groups import option_groups
from ablative.trainables.parts.of_parts import OfParts
from ablative.trainables.parts.student import Student
from ablative.trainables.parts.student import students_by_preset
from ablative.trainables.parts.task import RankedBy
from ablative.trainables.parts.task import Task
from ablative.trainables.parts.trainable import Roles
from ablative.trainables.settings import Rate
from ablative.trainables.settings import Settings
from ablative.trainables.settings import Text
from ablative.trainables.settings import Weight
from ablative.trainables.teachers.config import OneOfTeachersConfig as OneOfTeachersConfig
from ablative.trainables.teachers.config import TeacherConfig as TeacherConfig
from ablative.trainables.teachers.needs import teacher_contradictions

IDENTITY_VERSION = 3
"""Raised when code changes results; part of every trial's identity."""


TOGETHER = 8
"""Group of examples that stay together in a batch by tokens, so that workers and parts share it evenly (as in UNITER).
"""


class AnyTask(OfParts):
    """What is learned, from how much data."""

    name: str = Field("snli_ve", description="The task.")
    data: Text = Field(
        "mini",
        description="Bundled benchmark (`mini`, `mini_questions`, `mini_statements`, `mini_large`, `mini_smoke`) or "
        "folder of a real data set.",
    )
    data_fraction: float = Field(1.0, ge=1e-6, le=1, description="Share of the train split used, at most 1.")
    inputs: Literal["both", "text", "image"] = Field(
        "both", description="Modalities that the student sees; `text` and `image` blank out the other one (baselines)."
    )
    ranked_by: RankedBy = Field(
        "match_odds", description="How candidates are ranked: match against no match, or UNITER's match logit alone."
    )

    @property
    def part(self) -> Task:
        """The task, with its options if it has any."""
        return self.catalogue().of(Task)[self.name].with_options(getattr(self, self.name, None))


if TYPE_CHECKING:
    TaskConfig: TypeAlias = AnyTask
else:
    TaskConfig = create_model(
        "TaskConfig",
        __base__=AnyTask,
        __module__=__name__,
        __doc__=AnyTask.__doc__,
        name=(Literal[tuple(part.name for part in shipped("task"))], Field("snli_ve", description="The task.")),
        **option_groups(shipped("task")),
    )


class AnyStudent(OfParts):
    """The trained model: a single-stream cross-modal transformer."""

    preset: str = Field("uniter_tiny", description="Student and size; `ablate parts student` describes each.")
    init: Text = Field(
        "pretrained", description="`pretrained` (shipped checkpoint, *_tiny), `scratch`, or a checkpoint's path."
    )
    vocabulary: Text | None = Field(
        None, description="WordPiece vocabulary (vocab.txt) of the student; by default BERT's uncased one."
    )
    visual_input: Literal["regions", "patches", "both"] = Field(
        "regions", description="Visual input: region features, patches of the whole picture, or both."
    )
    tags: Literal["preset", "none", "scaled", "unscaled"] = Field(
        "preset",
        description="What a word that names a region carries of it: nothing, its vector at the word's own length, or "
        "as long as it is; `preset`: `scaled` in small students, `none` in published sizes.",
    )
    trunk_model: Text = Field("RN50", description="open_clip model that provides the visual trunk of clip_vil_base.")
    trunk_checkpoint: Text | None = Field(None, description="Local checkpoint of that open_clip model.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Dropout rate in the transformer.")

    @property
    def part(self) -> Student:
        """The student that has the preset."""
        return students_by_preset(self.catalogue())[self.preset]


if TYPE_CHECKING:
    StudentConfig: TypeAlias = AnyStudent
else:
    _PRESET = AnyStudent.model_fields["preset"]
    StudentConfig = create_model(
        "StudentConfig",
        __base__=AnyStudent,
        __module__=__name__,
        __doc__=AnyStudent.__doc__,
        preset=(
            Literal[tuple(preset for part in shipped("student") for preset in part.presets)],
            Field(_PRESET.default, description=_PRESET.description),
        ),
        **option_groups(shipped("student")),
    )


class AdversarialConfig(Settings):
    """Adversarial training in embedding space (VILLA); `trainables.training.adversarial` has the formula."""

    steps: int = Field(0, ge=0, le=100, description="Adversarial passes for each modality; 0 trains as usual.")
    text_rate: float = Field(
        1e-3, ge=0, le=100, description="Step length of the perturbation of word vectors; 0: none."
    )
    image_rate: float = Field(
        0.0, ge=0, le=100, description="Step length of the perturbation of region features; 0: none."
    )
    kl_weight: Weight = Field(1.5, description="Weight of the divergence from the unperturbed prediction.")


class OptimConfig(Settings):
    """How a student is trained: optimiser, schedule, batches and steps."""

    optimizer: Literal["adamw", "sgd"] = Field("adamw", description="AdamW (betas .9, .98), or SGD with momentum .9.")
    lr: Rate = Field(5e-4, description="Peak learning rate.")
    weight_decay: float = Field(0.01, ge=0, le=10, description="Decoupled weight decay.")
    head_lr_factor: float = Field(
        1.0, ge=1e-6, le=1e6, description="Factor on the learning rate of the head, except its pooler."
    )
    trunk_lr_factor: float = Field(
        0.1, ge=1e-6, le=1e6, description="Factor on the learning rate of the visual trunk, if there is one."
    )
    batch_size: int = Field(64, ge=1, le=65_536, description="Examples a step, over all workers.")
    batch_tokens: int | None = Field(
        None,
        ge=1,
        le=1_000_000_000,
        description="Tokens a step, instead of examples: words, regions and their padding, over all workers.",
    )
    bucketing: int = Field(
        1,
        ge=1,
        le=10_000,
        description="Batches drawn together and sorted by text length, to reduce padding.",
    )
    epochs: int = Field(8, ge=1, le=100_000, description="Passes over the subset, within the two bounds below.")
    min_steps: int = Field(
        120, ge=1, le=10_000_000, description="Smallest number of steps (low-shot subsets are repeated)."
    )
    max_steps: int = Field(1600, ge=1, le=10_000_000, description="Greatest number of steps.")
    steps_factor: float = Field(
        1.0,
        ge=1e-3,
        le=1e3,
        description="Factor on the number of steps that epochs and bounds give (longer training).",
    )
    accumulation: int = Field(
        1,
        ge=1,
        le=4096,
        description="Number of parts in which a worker processes its share of a batch (gradient accumulation).",
    )
    drops: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (),
        max_length=100,
        description="Points, as shares of all steps, at which the rate drops to a tenth; without "
        "any it falls linearly to 0.",
    )
    adversarial: AdversarialConfig = AdversarialConfig()
    warmup_fraction: float = Field(0.1, ge=0, lt=1, description="Share of the steps spent warming up.")
    grad_clip: float = Field(2.0, ge=1e-6, le=1e9, description="Greatest gradient norm.")
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="Share of each target that is spread evenly over the classes."
    )
    evaluations: int = Field(
        4, ge=1, le=1000, description="Number of evaluations on val, evenly spread; the best weights are kept."
    )
    val_examples: int | None = Field(
        None,
        ge=1,
        le=100_000_000,
        description="About how many examples of val choose the best step, the same ones in every trial; all of them "
        "unless given. What is reported of val is of all of it.",
    )
    precision: Literal["float32", "bfloat16"] = Field("float32", description="Autocast precision, in evaluation too.")
    compiled: bool = Field(
        False, description="Compile the student's blocks (torch.compile): on a GPU, for long trials or many."
    )
    ema: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Decay of a moving average of the weights, which is then evaluated and kept "
        "instead of them; 0: none.",
    )
    gradient_checkpointing: bool = Field(
        False, description="Compute the student's blocks again in the backward pass: less memory, a third more time."
    )
    sharding: Literal["none", "full"] = Field(
        "none",
        description="What several workers hold of the student: all of it each (DDP), or a part each (`full`, FSDP2).",
    )


class TrialConfig(OfParts):
    """One complete trial, but for its seed."""

    task: TaskConfig = TaskConfig()
    student: StudentConfig = StudentConfig()
    teacher: TeacherConfig = TeacherConfig()
    distillation: DistillationConfig = DistillationConfig()
    optim: OptimConfig = OptimConfig()
    teachers: tuple[OneOfTeachersConfig, ...] = Field(
        (),
        max_length=16,
        description="Several teachers instead of `teacher.model`, each with its weight in every term.",
    )

    @property
    def taught_by(self) -> tuple[tuple[TeacherConfig, float], ...]:
        """Each teacher with its weight in every term; none where nothing is distilled."""
        if not self.distillation.distils:
            return ()
        if not self.teachers:
            return ((self.teacher, 1.0),)
        return tuple((one.in_place_of(self.teacher), one.weight) for one in self.teachers)


ROLES = Roles(task="task.name", data_fraction="task.data_fraction", evaluations="optim.evaluations")
"""Of the fields above."""


def only(**weights: float) -> dict[str, Any]:
    """Return changes that give the named terms these weights, and switch off all others."""
    return {f"distillation.terms.{name}": weights.get(name, 0.0) for name in TermWeights.model_fields}


EVERY_EXAMPLE_ALIKE: dict[str, Any] = {
    "distillation.weighting.confidence": "none",
    "distillation.weighting.schedule": "constant",
    "distillation.weighting.task": "none",
}
_NO_DISTILLATION = {**only(), "distillation.weighting.task": "none"}

CONTROLS: dict[str, dict[str, Any]] = {
    "no_distillation": _NO_DISTILLATION,
    "naive_distillation": {**only(image=1.0, text=1.0), **EVERY_EXAMPLE_ALIKE},
    "random_tokens": {"distillation.selection.score": "random"},
    "all_tokens": {"distillation.selection.score": "all"},
    "uniform_weights": {"distillation.weighting.uniform": True},
    "shuffled_teacher": {"teacher.control": "shuffled"},
    "untrained_teacher": {"teacher.control": "untrained"},
    "blank_image": {"teacher.control": "blank_image"},
    "text_only": {"task.inputs": "text"},
    "adapted_teacher": {"distillation.adaptation.of": "teacher"},
    "adapted_student": {"distillation.adaptation.of": "student"},
    "label_smoothing": {**_NO_DISTILLATION, "optim.label_smoothing": 0.1},
    "longer_training": {**_NO_DISTILLATION, "optim.steps_factor": 1.5},
}
"""Named controls that a study may list, with their changes to the base. Named methods: `trainables.arms`."""


def canonical(config: TrialConfig) -> TrialConfig:
    """Return `config` with every field that cannot affect the result set to its default.

    Without distillation the teacher has no effect either; without a student's trunk, its fields have none; without
    perturbations, neither do their settings. For the rest see `canonical_distillation`.
    """
    teacher, teachers = _canonical_teachers(config)
    return config.changed(
        task=_canonical_task(config.task),
        student=config.student.part.canonical(config.student, has_tags=config.task.part.refers_to_boxes),
        teacher=teacher,
        teachers=teachers,
        distillation=_canonical_distillation(config),
        optim=_canonical_optim(config),
    )


def _canonical_distillation(config: TrialConfig) -> DistillationConfig:
    found = canonical_distillation(config.distillation)
    if config.task.part.head != "candidates":
        found = found.changed(candidates=found.all_defaults().candidates)
    return found


def _canonical_task(task: AnyTask) -> AnyTask:
    """Without candidates there is nothing to rank."""
    task = task.with_options_of(Task, task.name)
    return task if task.part.head == "candidates" else task.changed(ranked_by=task.all_defaults().ranked_by)


def _canonical_teachers(config: TrialConfig) -> tuple[TeacherConfig, tuple[OneOfTeachersConfig, ...]]:
    """A single entry of weight 1 becomes `teacher`; with several teachers, `teacher` has no effect."""
    default = config.teacher.all_defaults()
    if not config.distillation.distils:
        return default, ()
    taught_by = config.taught_by
    if [weight for _, weight in taught_by] == [1.0]:
        return taught_by[0][0].canonical(), ()
    teacher = default.changed(control=config.teacher.control, precision=config.teacher.precision)
    return teacher, tuple(one.canonical() for one in config.teachers)


def contradictions(config: TrialConfig) -> Iterator[tuple[str, str, str]]:
    """Yield (path, found, wanted) for each field that contradicts another."""
    optim = config.optim
    task = config.task
    if task.data in SHIPPED_DATA and task.name not in tasks_made(task.data):
        wanted = f"mini, as {task.data}" if task.name in TASKS else "a folder, as the bundled benchmark"
        yield "task.data", task.data, f"{wanted} has no files of {task.name}"
    for path, found, wanted in task.part.contradictions(task.part.chosen) if task.part.chosen else ():
        yield f"task.{task.name}.{path}", found, wanted
    if optim.min_steps > optim.max_steps:
        yield "optim.min_steps", f"{optim.min_steps}", f"at most optim.max_steps ({optim.max_steps})"
    if optim.batch_tokens is not None:
        if TOGETHER % optim.accumulation:
            yield "optim.accumulation", f"{optim.accumulation}", f"a divisor of {TOGETHER} with optim.batch_tokens"
        if config.student.part.reads_pixels(config.student):
            yield "optim.batch_tokens", f"{optim.batch_tokens}", "none, as patches of a picture are not counted"
    elif optim.batch_size % optim.accumulation:
        yield "optim.accumulation", f"{optim.accumulation}", f"a divisor of optim.batch_size ({optim.batch_size})"
    if optim.compiled and optim.gradient_checkpointing:
        yield "optim.gradient_checkpointing", "true", "false with optim.compiled, which decides itself what to keep"
    if optim.compiled and optim.sharding != "none":
        yield "optim.sharding", optim.sharding, "none with optim.compiled: the two have not been tested together"
    teachers = [teacher for teacher, _ in config.taught_by]
    over_candidates = task.part.head == "candidates"
    for number, teacher in enumerate(teachers):
        at = f"teachers.{number}" if config.teachers else "teacher"
        yield from teacher_contradictions(teacher, config.distillation, over_candidates=over_candidates, at=at)
        if teacher in teachers[:number]:
            found = f"{teacher.model} a second time"
            yield at, found, "a different teacher; to make one count more, raise its weight"


def without_scale(config: TrialConfig) -> TrialConfig:
    """Return `config` with the representative of all objectives that differ by a constant factor.

    `mse` is twice `cosine` (`trainables.distillation.distance`): only the weight of a term differs.
    """
    if config.distillation.distance != "mse":
        return config
    return config.changed(distillation=config.distillation.changed(distance="cosine"))


def _canonical_optim(config: TrialConfig) -> OptimConfig:
    optim, default = config.optim, config.optim.all_defaults()
    if not config.student.part.trunk:
        optim = optim.changed(trunk_lr_factor=default.trunk_lr_factor)
    if optim.batch_tokens is not None:
        optim = optim.changed(batch_size=default.batch_size, bucketing=default.bucketing)
    if optim.evaluations == 1:
        optim = optim.changed(val_examples=None)  # the only step is the best one
    return optim if optim.adversarial.steps else optim.changed(adversarial=default.adversarial)
