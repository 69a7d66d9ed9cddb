"""The composition: builds the parts of a command from every room, and imports a room only when it is needed.

No other module of the orchestrator names `cluster`, `analysis` or the heavy half of `trainables`.
"""

from __future__ import annotations

import math
import os
import sys
from collections import Counter
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from ablative.orchestrator.errors import OrchestratorError
from ablative.orchestrator.errors import UnknownStudyError
from ablative.orchestrator.showing.whereabouts import place
from ablative.orchestrator.showing.whereabouts import store_beside
from ablative.orchestrator.showing.whereabouts import store_uri

if TYPE_CHECKING:
    from ablative.analysis.showing.live_page import ServedPage
    from ablative.analysis.showing.simulate_answer import SimulateAnswer
    from ablative.analysis.views.power import Tally
    from ablative.analysis.views.results import Results
    from ablative.cluster.jobs import StudyJobs
    from ablative.orchestrator.commands.loaded import Loaded
    from ablative.orchestrator.deciding.decisions import Judge
    from ablative.orchestrator.deciding.queue import TrialQueue
    from ablative.orchestrator.driving.executor import Executor
    from ablative.orchestrator.driving.preparing import Prepare
    from ablative.orchestrator.driving.preparing import Rest
    from ablative.orchestrator.driving.run import Experiment
    from ablative.orchestrator.inputs import Inputs
    from ablative.orchestrator.showing.cluster_answer import ClusterCheckAnswer
    from ablative.orchestrator.showing.display import Display
    from ablative.orchestrator.showing.preflight import Outlook
    from ablative.orchestrator.showing.standing import Standing
    from ablative.orchestrator.showing.student_answer import StudentPretrainAnswer
    from ablative.orchestrator.showing.teacher_answer import ProbedTeacher
    from ablative.orchestrator.showing.teacher_answer import TeacherAdaptAnswer
    from ablative.orchestrator.storing.records import Record
    from ablative.orchestrator.storing.store import Store
    from ablative.progress import Progress
    from ablative.search_spaces.load import Source
    from ablative.search_spaces.study import Resources
    from ablative.search_spaces.study import Study
    from ablative.search_spaces.subject import Subject
    from ablative.trainables.job import RunTrial
    from ablative.trainables.parts.catalogue import Catalogue
    from ablative.trainables.parts.preparation import Preparation
    from ablative.trainables.parts.student import Student
    from ablative.trainables.parts.task import Task
    from ablative.trainables.parts.trainable import Digests
    from ablative.trainables.parts.trainable import Exposure
    from ablative.trainables.parts.trainable import Trainable
    from ablative.trainables.published import PublishedCache


def load(source: Source, overrides: Sequence[str] = (), parts: Sequence[Path] = ()) -> Loaded:
    """Return a study with its cells and warnings; raises StudyError with every mistake in it.

    `parts`: files that list the user's own parts; they are executed. Raises PartError for an unusable one.
    """
    from ablative.orchestrator.commands.loaded import Loaded
    from ablative.search_spaces.load import load_study
    from ablative.trainables.parts.sources import catalogue
    from ablative.trainables.parts.trainable import DEFAULT
    from ablative.trainables.parts.trainable import Trainable

    known = catalogue(parts)
    trainables = known.of(Trainable)
    subjects = {name: partial(subject, trainable, known) for name, trainable in trainables.items()}
    checked = load_study(source, subjects=subjects, default=DEFAULT, overrides=tuple(overrides))
    found = {field.name: getattr(checked, field.name) for field in fields(checked)}
    return Loaded(**found, trainable=trainables[checked.study.trainable or DEFAULT], catalogue=known)


def subject(trainable: Trainable, catalogue: Catalogue) -> Subject:
    """Return the subject against which a study about `trainable` is checked, for a catalogue of parts."""
    from ablative.search_spaces.subject import Subject

    return Subject(
        config_type=trainable.config_type(catalogue),
        canonical=trainable.canonical,
        named_arms=trainable.named_arms(catalogue),
        metrics=trainable.metrics(catalogue) if trainable.metrics else (),
        splits=trainable.all_splits(catalogue) if trainable.all_splits else (),
        open_splits=trainable.open_splits(catalogue) if trainable.open_splits else {},
        recipes=trainable.recipes,
        contradictions=trainable.contradictions,
        elastic=trainable.elastic,
        without_scale=trainable.without_scale,
        task=trainable.roles.task,
        data_fraction=trainable.roles.data_fraction,
        evaluations=trainable.roles.evaluations,
    )


def schema(name: str | None, parts: Sequence[Path]) -> dict[str, Any]:
    """Return the JSON Schema of studies about a trainable. Raises OrchestratorError for an unknown one.

    `parts`: as of `load`.
    """
    from ablative.search_spaces.schema import json_schema
    from ablative.search_spaces.wording import one_of
    from ablative.trainables.parts.sources import catalogue
    from ablative.trainables.parts.trainable import DEFAULT
    from ablative.trainables.parts.trainable import Trainable

    known = catalogue(parts)
    trainables = known.of(Trainable)
    if (name := name or DEFAULT) not in trainables:
        raise OrchestratorError(f"--trainable {name}: unknown trainable; use {one_of(name, trainables)}")
    return json_schema(subject(trainables[name], known), tuple(trainables))


def absent(loaded: Loaded) -> tuple[str, ...]:
    """Return one line for each data set or file of a study that this machine lacks."""
    found = loaded.trainable.absent
    return () if found is None else found(cell.config for cell in loaded.cells)


def refused(loaded: Loaded) -> tuple[str, ...]:
    """Return one line for each reason why this machine's processor cannot run some cell's trials."""
    found, resources = loaded.trainable.cpu_refusals, loaded.study.resources
    on_cpus = (cell.config for cell in loaded.cells if not resources.of(cell.config).gpus_per_worker)
    return () if found is None else found(on_cpus)


def open_store(uri: str | None, study: Study | None = None) -> Store:
    """Open the store that the option, ABLATE_STORE, the study file or the default names, in this order."""
    from ablative.orchestrator.storing.store import Store

    return Store.open(store_uri(uri, study))


def find_study(source: str, uri: str | None) -> tuple[str, Store]:
    """Return the name and the store of a study, given as a shipped name, a path, or a name in the store.

    From a file only name and storage are read, because reading records does not need the parts that made them.
    """
    from ablative.search_spaces.errors import StudyError
    from ablative.search_spaces.load import sketched_study

    store = open_store(uri)
    if source in store.studies():
        return source, store
    try:
        study = sketched_study(source)
    except StudyError as error:
        if Path(source).is_file():
            raise
        known = ", ".join(store.studies()) or "none"
        raise UnknownStudyError(
            f"{source}: neither a study in store {store.uri!r} (it holds: {known}) nor a study file.\n{error}"
        ) from error
    opened = open_store(uri, study)
    if (beside := store_beside(source, study, opened)) is not None:
        raise UnknownStudyError(
            f"store {place(opened.uri)} has no trial of {study.study}; {beside.uri}, beside the study file, has "
            f"{beside.count(study.study)}: use it with --store {beside.uri}"
        )
    return study.study, opened


def inputs(loaded: Loaded, cache_folder: Path | None = None, progress: Progress | None = None) -> Inputs:
    """Return the inputs of a plan. Its digests come from the cache, and raise MissingData.

    `progress` is called while data is read for the first time. Without a cache nothing is read: trials can be counted,
    but have no identity.
    """
    from ablative.orchestrator.inputs import UNKNOWN
    from ablative.orchestrator.inputs import Inputs
    from ablative.progress import silent
    from ablative.trainables.parts.trainable import Digests

    unknown = Digests(data=UNKNOWN, teacher=UNKNOWN, student=UNKNOWN)
    nothing = Digests()
    if cache_folder is None:
        digests: Callable[[Any], Digests] = lambda config: unknown  # noqa: E731
    elif loaded.trainable.digests is None:
        digests = lambda config: nothing  # noqa: E731
    else:
        digests = cache(loaded.trainable.digests(cache_folder, progress or silent))
    return Inputs(trainable=loaded.trainable, catalogue=loaded.catalogue, digests=digests)


def planned_queue(
    loaded: Loaded,
    store: Store,
    cache_folder: Path,
    progress: Progress,
    *,
    retry_failed: bool = False,
    retrain_students: bool = False,
) -> tuple[TrialQueue, str]:
    """Return the queue of trials that `store` lacks, and which data is missing, if any. Changes nothing.

    Without the data a trial can be counted but has no identity, so nothing counts as recorded.
    """
    from ablative.orchestrator.driving.run import untrained
    from ablative.trainables.errors import MissingData

    planned = experiment(loaded, cache_folder, progress)
    try:
        recorded = planned.recorded(store)
        again = untrained(planned, store, recorded) if retrain_students else set()
        return planned.queue(store, adopt=False, recorded=recorded, retry_failed=retry_failed, again=again), ""
    except MissingData as error:
        return unrecorded_queue(loaded), str(error)


def exposures(queue: TrialQueue, cache_folder: Path) -> dict[str, Exposure]:
    """Return cell -> how much of their training data its trials see, before a search changes any setting.

    Empty where the trainable does not say so.
    """
    found = queue.inputs.trainable.exposure
    of = None if found is None else found(cache_folder)
    return {} if of is None else {cell.cell.name: of(cell.config) for cell in queue.cells}


def preflight(queue: TrialQueue, cache_folder: Path) -> tuple[list[Outlook], int]:
    """Return the measurements of a study's teachers, and the number of cells whose teacher was not measured.

    Empty if its trainable has no teachers. Raises MissingData if data is missing here.
    """
    from ablative.orchestrator.showing.preflight import outlooks

    found = queue.inputs.trainable.foresights
    if found is None:
        return [], 0
    known, target = found(cache_folder, queue.inputs.digests), queue.study.target
    taught = [cell for cell in queue.cells if known.sees(cell.config) == "teacher"]
    rows = outlooks(queue.cells, queue.progress(), known.sees, known.of, (target.metric, target.mode))
    return rows, len(taught) - sum(len(row.cells) for row in rows)


def probe_teachers(loaded: Loaded, cache_folder: Path, progress: Progress) -> tuple[ProbedTeacher, ...]:
    """Measure a study's unmeasured teachers; return the measurements of each.

    Raises OrchestratorError if it has no teachers, and as `prepare`.
    """
    from ablative.orchestrator.showing.teacher_answer import probed_teachers

    found = loaded.trainable.foresights
    if found is None:
        raise OrchestratorError(
            f"{loaded.study.study}: the trainable {loaded.trainable.name} has no teachers to probe"
        )
    known = found(cache_folder, inputs(loaded, cache_folder, progress).digests)
    known.measure([cell.config for cell in loaded.cells], progress)
    return probed_teachers((cell.name, known.of(cell.config)) for cell in loaded.cells)


def students_lines(queue: TrialQueue, store: Store) -> list[str]:
    """Return a plan's lines on the students that the study keeps: their size, and which are no longer available."""
    from ablative.orchestrator.deciding.keeping import estimated_bytes
    from ablative.orchestrator.deciding.keeping import is_full
    from ablative.orchestrator.driving.run import missing_students

    keep = queue.study.keep
    if not keep.room:
        return []
    wanted = estimated_bytes(queue.study, queue.cells, queue.inputs.trainable)
    size = f"about {wanted / 1e9:.3g} GB" if wanted else "an unknown size"
    lines = [f"students: {keep.students}, {size} of {keep.gigabytes:g} GB (keep.gigabytes)"]
    if wanted > keep.room:
        lines.append(f"students: not all of them will fit; to keep all, set keep.gigabytes={math.ceil(wanted / 1e9)}")
    missing, kept = missing_students(queue, store), store.students(queue.study.study).sizes().values()
    if missing and is_full(keep.room, kept):
        needed = math.ceil((sum(kept) + len(missing) * max(kept)) / 1e9)
        lines.append(
            f"students: {len(missing)} recorded trials are without theirs, and keep.gigabytes={keep.gigabytes:g} is "
            f"full; to train them again: set keep.gigabytes={needed}, and ablate run --retrain-students"
        )
    elif missing:
        lines.append(
            f"students: {len(missing)} recorded trials were run without keeping theirs; to train them again: "
            "ablate run --retrain-students"
        )
    return lines


def possible_configs(loaded: Loaded) -> list[Any]:
    """Return every configuration that a study may run, as far as preparation can tell them apart."""
    from ablative.orchestrator.driving.preparing import owed_configs

    return owed_configs(unrecorded_queue(loaded))


def unrecorded_queue(loaded: Loaded) -> TrialQueue:
    """Return the queue of all trials that a study may run, as if nothing were recorded; they have no identity."""
    from ablative.orchestrator.deciding.queue import TrialQueue
    from ablative.orchestrator.deciding.recorded import Recorded

    return TrialQueue(loaded.study, loaded.cells, Recorded(), inputs(loaded), judge=judge(loaded.study))


def experiment(loaded: Loaded, cache_folder: Path, progress: Progress) -> Experiment:
    """Return the study with its inputs from the cache, and its provenance; nothing prepares it yet.

    `progress`: as of `inputs`.
    """
    from ablative.orchestrator.driving.run import Experiment
    from ablative.orchestrator.storing.provenance import provenance

    return Experiment(
        study=loaded.study,
        cells=loaded.cells,
        inputs=inputs(loaded, cache_folder, progress),
        provenance=provenance(),
        judge=judge(loaded.study),
    )


def judge(study: Study) -> Judge | None:
    """Return the judge that tells which comparisons are clear, for a study with sequential seeds."""
    if study.seeds.sequential is None:
        return None
    from ablative.analysis.views.sequential import clear_arms

    return clear_arms


def _student_of(found: Catalogue, preset: str) -> Student:
    """Return the student that has a preset. Raises PartError for an unknown preset."""
    from ablative.trainables.parts.part import PartError
    from ablative.trainables.parts.student import students_by_preset

    students = students_by_preset(found)
    if preset not in students:
        raise PartError(f"--preset {preset}: unknown preset; use one of {', '.join(students)}")
    return students[preset]


def pretrain_student(
    task: Task,
    data: str,
    student: Mapping[str, Any],
    recipe: Mapping[str, Any],
    output: Path,
    parts: Sequence[Path],
    *,
    quiet: bool,
    dry_run: bool,
) -> StudentPretrainAnswer:
    """Pretrain a student on the train split of `data`; with `dry_run`, only check that all files exist.

    `student`: fields of `student`; `recipe`: those of `SecondStage`. Raises MissingData, CheckpointError, PartError.
    """
    from ablative.orchestrator.showing.student_answer import PretrainingPoint
    from ablative.orchestrator.showing.student_answer import StudentPretrainAnswer
    from ablative.trainables.cache import cache_folder
    from ablative.trainables.data.layout import task_folder
    from ablative.trainables.parts.extended import trial_config
    from ablative.trainables.parts.sources import catalogue
    from ablative.trainables.students.second_stage import SecondStage
    from ablative.trainables.students.second_stage import pretrain
    from ablative.trainables.students.starting_files import starting_files

    found = catalogue(parts)
    _student_of(found, student["preset"])
    chosen = {"name": task.name, "data": data, **({task.name: task.changes} if task.changes else {})}
    config = trial_config(found).model_validate({"task": chosen, "student": student})
    settings = SecondStage.model_validate(recipe)
    facts: dict[str, Any] = {"output": str(output), "task": task.name, "data": data, "dry_run": dry_run}
    if dry_run:
        task_folder(task, data, cache_folder())
        starting_files(config.student)
        return StudentPretrainAnswer(**facts, examples=0, steps=settings.steps, resumed_at=0, curve=())
    with display(quiet, doing="pretrain") as shown:
        run = pretrain(config, settings, output, cache_folder(), shown.preparing)
    points = tuple(PretrainingPoint(steps=steps, losses=dict(losses)) for steps, losses in run.curve)
    return StudentPretrainAnswer(
        **facts, examples=run.examples, steps=run.steps, resumed_at=run.resumed_at, curve=points
    )


def adapt_teacher(
    task: Task,
    data: str,
    fraction: float,
    teacher: Mapping[str, Any],
    recipe: Mapping[str, Any],
    output: Path,
    parts: Sequence[Path],
    *,
    quiet: bool,
    dry_run: bool,
) -> TeacherAdaptAnswer:
    """Fine-tune a teacher's towers on a share of `data`'s train; with `dry_run`, look whether all files are there.

    `teacher`: fields of `teacher`; `recipe`: those of `TowerAdaptation`. Raises MissingData, TeacherError, PartError.
    """
    from ablative.orchestrator.showing.teacher_answer import AdaptationPoint
    from ablative.orchestrator.showing.teacher_answer import TeacherAdaptAnswer
    from ablative.trainables.cache import cache_folder
    from ablative.trainables.data.layout import task_folder
    from ablative.trainables.parts.extended import trial_config
    from ablative.trainables.parts.sources import catalogue
    from ablative.trainables.teachers.digest import teacher_digest
    from ablative.trainables.teachers.tower_adaptation import TowerAdaptation
    from ablative.trainables.teachers.tower_adaptation import adapt
    from ablative.trainables.teachers.tower_adaptation import require_open_clip

    changes = {task.name: task.changes} if task.changes else {}
    chosen = {"name": task.name, "data": data, "data_fraction": fraction, **changes}
    config = trial_config(catalogue(parts)).model_validate({"task": chosen, "teacher": teacher})
    settings = TowerAdaptation.model_validate(recipe)
    facts: dict[str, Any] = {"output": str(output), "task": task.name, "data": data, "dry_run": dry_run}
    if dry_run:
        task_folder(task, data, cache_folder())
        require_open_clip(config.teacher)
        teacher_digest(config.teacher, cache_folder())
        return TeacherAdaptAnswer(**facts, pairs=0, steps=settings.steps, resumed_at=0, curve=())
    with display(quiet, doing="adapt") as shown:
        run = adapt(config, settings, output, cache_folder(), shown.preparing)
    points = tuple(AdaptationPoint(steps=steps, loss=loss) for steps, loss in run.curve)
    return TeacherAdaptAnswer(**facts, pairs=run.pairs, steps=run.steps, resumed_at=run.resumed_at, curve=points)


def student_report(
    settings: Mapping[str, Any], region_width: int, parts: Sequence[Path] = ()
) -> tuple[list[str], bool]:
    """Return lines that map a checkpoint to a student's parameters, and whether a trial would reject it.

    `settings`: fields of `student`. Raises PartError for a preset that is unknown or takes no checkpoints.
    """
    from ablative.trainables.parts.extended import trial_config
    from ablative.trainables.parts.part import PartError
    from ablative.trainables.parts.sources import catalogue

    found, preset = catalogue(parts), settings["preset"]
    student = _student_of(found, preset)
    report = student.report
    if report is None:
        raise PartError(
            f"--preset {preset}: the student {student.name} cannot list which weights it takes from a checkpoint"
        )
    return report(type(trial_config(found)().student).model_validate(settings), region_width)


def engine(kind: str, address: str, loaded: Loaded, cache_folder: Path, checkpoints: str) -> tuple[Executor, Prepare]:
    """Return what runs trials, and what prepares their data: `inline`, or `ray` at an address.

    Address `any` joins a running cluster, and starts a private one if there is none. `checkpoints`: folder or URI.
    """
    resources, run_trial, steps = loaded.study.resources, loaded.trainable.run, loaded.trainable.steps()
    published = published_cache(steps)
    if kind == "inline":
        from ablative.orchestrator.driving.inline import InlineExecutor

        local = InlineExecutor(run_trial=run_trial, resources=resources, cache=cache_folder, checkpoints=checkpoints)
        return local, prepared_by(published.steps if published else steps, cache_folder)
    from ablative.cluster.executor import RayExecutor
    from ablative.cluster.session import running_cluster

    where = running_cluster() if address == "any" else address
    runner = RayExecutor(
        address=where,
        resources=resources,
        cache=cache_folder,
        run_trial=run_trial,
        checkpoints=checkpoints,
        published=published,
        absent=loaded.trainable.absent,
    )
    return runner, preparation(steps, where, resources, cache_folder, published)


def published_cache(steps: Preparation | None) -> PublishedCache | None:
    """Return the cache that ABLATE_CACHE names by a URI; None where it names a folder. Raises PlaceError."""
    from ablative.trainables.parts.preparation import Preparation
    from ablative.trainables.published import PublishedCache
    from ablative.trainables.published import named_cache
    from ablative.trainables.published import require

    if not (uri := named_cache()):
        return None
    require(uri)
    return PublishedCache(uri, steps or Preparation(data=lambda configs, cache, progress: None))


def check_cluster(address: str, store: str | None, loaded: Loaded | None) -> ClusterCheckAnswer:
    """Return the findings on the cluster at `address` for a study; without a study, those that hold for any.

    Address `any` means the running cluster; a private one has nothing to check. Raises ClusterError.
    """
    from ablative.cluster.executor import shapes_of
    from ablative.cluster.soundness import check_cluster as check
    from ablative.trainables.cache import cache_folder
    from ablative.trainables.published import named_cache

    study = loaded.study if loaded else None
    where = "auto" if address == "any" else address
    places = {"cache": named_cache() or str(cache_folder()), "store": place(store_uri(store, study))}
    if loaded is None:
        return check(where, places=places)
    shapes = shapes_of(loaded.study.resources, [(cell.config, dict(cell.space)) for cell in loaded.cells])
    configs, found = [cell.config for cell in loaded.cells], loaded.trainable.absent
    return check(where, places=places, shapes=shapes, absent=partial(found, configs) if found else None)


def study_jobs(source: str, store: str | None, address: str) -> StudyJobs:
    """Return the jobs of a study on a cluster; from a file only name and storage are read.

    Raises StudyError for a file without them, and ClusterError if there is no cluster that takes jobs.
    """
    from ablative.search_spaces.errors import StudyError
    from ablative.search_spaces.load import sketched_study

    try:
        study = sketched_study(source)
    except StudyError:
        if Path(source).is_file():
            raise
        return jobs_of(source, None, store, address)  # this machine has no file of that name
    return jobs_of(study.study, study, store, address)


def jobs_of(name: str, study: Study | None, store: str | None, address: str) -> StudyJobs:
    """Return the jobs of a study of this name. Raises ClusterError if there is no cluster that takes jobs."""
    from ablative.cluster.jobs import StudyJobs

    return StudyJobs(name, place(store_uri(store, study)), address=address)


def secrets_left_out() -> list[str]:
    """Return the variables with secrets that are set here and not passed to a job."""
    from ablative.cluster.jobs import SECRET

    return [name for name in SECRET if name in os.environ]


def prepared_by(steps: Preparation | None, cache_folder: Path) -> Prepare:
    """Return what prepares in this process by `steps`; does nothing without steps."""

    def prepare_here(configs: Sequence[Any], progress: Progress) -> None:
        if steps is not None:
            steps.here(configs, cache_folder, progress)

    return prepare_here


def preparation(
    steps: Preparation | None,
    address: str,
    resources: Resources,
    cache_folder: Path,
    published: PublishedCache | None = None,
) -> Prepare:
    """Return what prepares on the Ray cluster at `address` by `steps`; does nothing without steps.

    `published`: the cache that other machines read, if they do not share the folder.
    """
    if published is not None:
        steps = published.steps
    if steps is None:
        return prepared_by(None, cache_folder)
    from ablative.cluster.preparation import prepare_private
    from ablative.cluster.preparation import prepare_remote
    from ablative.cluster.session import running_cluster

    where = running_cluster() if address == "any" else address

    def prepare_there(configs: Sequence[Any], progress: Progress) -> Rest | None:
        if where == "local":
            return prepare_private(configs, cache_folder, progress, resources=resources, steps=steps)
        folder = cache_folder if published is None else Path()  # each machine has its own
        prepare_remote(configs, folder, progress, address=where, resources=resources, steps=steps)
        if published is not None:
            published.list_for(configs)
        return None

    return prepare_there


def simulated_engine(kind: str, address: str, study: Study, checkpoints: str, trainable: RunTrial) -> Executor:
    """Return what runs `trainable`: `inline`, or `ray` at an address as for `engine`; there is nothing to prepare."""
    if kind == "inline":
        from ablative.orchestrator.driving.inline import InlineExecutor

        here = Path()
        return InlineExecutor(run_trial=trainable, resources=study.resources, cache=here, checkpoints=checkpoints)
    from ablative.cluster.executor import RayExecutor
    from ablative.cluster.session import running_cluster

    return RayExecutor(
        address=running_cluster() if address == "any" else address,
        resources=study.resources,
        cache=Path(),
        checkpoints=checkpoints,
        run_trial=trainable,
    )


def tally(sizes: Mapping[str, float]) -> Tally:
    """Return what judges simulated studies; `sizes`: arm -> what it adds."""
    from ablative.analysis.views.power import Tally

    return Tally(sizes)


def power_table(judged: Tally) -> str:
    """Return the findings of the judged studies, as text."""
    from ablative.analysis.showing.power_table import power_table as table_of

    return table_of(judged)


def simulate_answer(judged: Tally, **told: Any) -> SimulateAnswer:
    """Return the findings of the judged studies, for a program; `told`: see `analysis.showing.simulate_answer`."""
    from ablative.analysis.showing.simulate_answer import simulate_answer as answer_of

    return answer_of(judged, **told)


def display(quiet: bool, *, doing: str = "prepare") -> Display:
    """Return the display: a drawing on a terminal, lines elsewhere, nothing if quiet.

    It writes to standard error; in a notebook to standard output, which needs no widgets there.

    `doing`: name for all stages before the trials.
    """
    from rich.console import Console

    from ablative.orchestrator.showing.display import PlainDisplay
    from ablative.orchestrator.showing.display import QuietDisplay
    from ablative.orchestrator.showing.live import LiveDisplay

    console = Console(stderr=True)
    if quiet:
        return QuietDisplay()
    if console.is_terminal:
        return LiveDisplay(console, doing=doing)
    return PlainDisplay(sys.stdout if console.is_jupyter else sys.stderr, doing=doing)


def results(store: Store, study: str) -> Results:
    """Return the results of a study in `store`, which show themselves in a notebook."""
    from ablative.analysis.views.results import load as load_results

    return load_results(store.uri, study)


def search_lines(store: Store, found: Standing) -> list[str]:
    """Return lines on the searches of a study that ended at an edge or were too short.

    Loads the analysis only if the study has searched something.
    """
    if not any(cell.search_done for cell in found.cells):
        return []
    from ablative.analysis.showing.search_lines import search_lines as lines_of

    views = results(store, found.study)
    return lines_of(views.searches.to_pylist(), views.plan(found.study))


def recorded_searches(loaded: Loaded) -> list[str]:
    """Return `search_lines` of a study whose records are in a folder of this machine."""
    uri, name = store_uri(None, loaded.study), loaded.study.study
    if "://" in uri or not (Path(uri).expanduser() / "studies" / name).is_dir():
        return []
    from ablative.orchestrator.errors import StoreError
    from ablative.orchestrator.showing.standing import standing

    store = open_store(None, loaded.study)
    try:
        return search_lines(store, standing(store, name))
    except StoreError:  # `ablate status` says what is wrong with the store
        return []


def serve_report(store: Store, study: str, *, port: int, every: float) -> ServedPage:
    """Serve the live report of `study` on loopback; raises `AnalysisError` where the port is taken."""
    from ablative.analysis.showing.live_page import LivePage
    from ablative.analysis.showing.live_page import ServedPage

    return ServedPage(LivePage(store.uri, study, lambda: store.version(study), every=every), port)


def export_student(
    store: Store, study: str, record: Record, folder: Path, parts: Sequence[Path], *, onnx: bool
) -> list[str]:
    """Write the kept student of a recorded trial into `folder`, with its card; return the names of the files."""
    from ablative.analysis.showing.card import Leaving
    from ablative.analysis.showing.card import card
    from ablative.trainables.parts.sources import catalogue
    from ablative.trainables.students.exported import write_student
    from ablative.trainables.students.flat import input_names
    from ablative.trainables.students.kept import read_kept

    content = store.student(record.trial_id)
    assert content is not None, "the chosen record has a student"
    found = read_kept(content, f"trial {record.trial_id}", catalogue(parts))
    names = write_student(found, folder, onnx=onnx)
    leaving = Leaving(files=names, inputs=input_names(found.config.student), hub_task=found.config.task.part.hub_task)
    told = card(store.uri, study, record, leaving)
    (folder / "README.md").write_text(told, encoding="utf-8")
    return [*names, "README.md"]


def verdicts(store: Store, study: str) -> dict[str, dict[str, int]] | None:
    """Return how many claims and primary comparisons have each verdict; None if trials cannot be compared."""
    from ablative.analysis.errors import IncomparableError
    from ablative.analysis.views.effects import primary_rows

    found = results(store, study)
    try:
        plan = found.comparable(study)
    except IncomparableError:
        return None
    compared = [row for row in primary_rows(found.observed(study), plan) if not row["is_reference"]]
    rows = {"claims": found.claims.to_pylist(), "primary": compared}
    return {family: dict(Counter(row["verdict"] for row in of)) for family, of in rows.items()}


def effects_table(store: Store, study: str) -> str:
    """Return question, answer and result tables as text for standard output, or why trials cannot be compared.

    On a terminal: in its width and in colour. Elsewhere: plain text, sentences in 120 columns, tables whole.
    """
    from rich.console import Console

    from ablative.analysis.errors import IncomparableError
    from ablative.analysis.showing.tables import effects_table as table_of

    console = Console()
    try:
        if console.is_terminal:
            return table_of(store.uri, study, style="rich", width=console.width)
        return table_of(store.uri, study)
    except IncomparableError as error:
        return f"{error}\n"
