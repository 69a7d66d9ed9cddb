"""Where the rooms meet: the parts of a command, built from every room, each reached only when it is needed.

No other module of the orchestrator names `cluster`, `analysis` or the heavy half of `trainables`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
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
    from ablative.analysis.views.power import Tally
    from ablative.orchestrator.deciding.decisions import Judge
    from ablative.orchestrator.deciding.queue import TrialQueue
    from ablative.orchestrator.driving.executor import Executor
    from ablative.orchestrator.driving.run import Experiment
    from ablative.orchestrator.driving.run import Prepare
    from ablative.orchestrator.inputs import Inputs
    from ablative.orchestrator.showing.display import Display
    from ablative.orchestrator.storing.records import Record
    from ablative.orchestrator.storing.store import Store
    from ablative.progress import Progress
    from ablative.search_spaces.design import Cell
    from ablative.search_spaces.load import LoadedStudy
    from ablative.search_spaces.study import Resources
    from ablative.search_spaces.study import Study
    from ablative.trainables.config import TrialConfig
    from ablative.trainables.job import RunTrial


def mistakes() -> tuple[type[Exception], ...]:
    """Return the exceptions that are a person's to put right: printed without a traceback.

    An error of a room that was not reached cannot have been raised, so that no room is imported to name it.
    """
    named = (
        ("ablative.search_spaces.errors", "StudyError"),
        ("ablative.trainables.errors", "DataError"),
        ("ablative.trainables.errors", "Hindered"),
        ("ablative.trainables.parts.part", "PartError"),
        ("ablative.trainables.teachers.errors", "TeacherError"),
        ("ablative.analysis.errors", "AnalysisError"),
        ("ablative.trainables.students.checkpoint", "CheckpointError"),
        ("ablative.trainables.students.vocabulary", "VocabularyError"),
    )
    reached = [getattr(sys.modules[module], name) for module, name in named if module in sys.modules]
    return (OrchestratorError, *reached)


def load(source: str, overrides: Sequence[str] = (), parts: Sequence[Path] = ()) -> LoadedStudy:
    """Return a study with its cells and warnings; raises StudyError with every mistake in it.

    `parts`: files that list parts of a person's own, which are run. Raises PartError for one that cannot be used.
    """
    from ablative.search_spaces.load import load_study
    from ablative.trainables.arms import arms_of
    from ablative.trainables.config import canonical
    from ablative.trainables.config import contradictions
    from ablative.trainables.config import without_scale
    from ablative.trainables.parts.extended import trial_config
    from ablative.trainables.parts.named import metric_names
    from ablative.trainables.parts.sources import catalogue
    from ablative.trainables.recipes import RECIPES

    known = catalogue(parts)
    return load_study(
        source,
        config_type=trial_config(known),
        controls=arms_of(known),
        canonical=canonical,
        overrides=tuple(overrides),
        metrics=metric_names(known),
        recipes=RECIPES,
        contradictions=contradictions,
        without_scale=without_scale,
    )


def absent(cells: Sequence[Cell]) -> tuple[str, ...]:
    """Return one line for each data set or file of these cells that is not on this machine."""
    from ablative.trainables.absent import absent as absent_of
    from ablative.trainables.config import TrialConfig

    return absent_of(TrialConfig.model_validate(cell.config) for cell in cells)


def open_store(uri: str | None, study: Study | None = None) -> Store:
    """Open the store that the option, ABLATE_STORE, the study file or the default names, in this order."""
    from ablative.orchestrator.storing.store import Store

    return Store.open(store_uri(uri, study))


def find_study(source: str, uri: str | None) -> tuple[str, Store]:
    """Return the name and the store of a study that is given as a shipped name, a path, or a name in the store.

    Of a file the name and the storage are read: whoever asks for records need not have the parts that made them.
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
            f"{source}: neither a study in the store {store.uri!r} (there: {known}) nor a study file.\n{error}"
        ) from error
    opened = open_store(uri, study)
    if (beside := store_beside(source, study, opened)) is not None:
        raise UnknownStudyError(
            f"store {place(opened.uri)} has no trial of {study.study}; {beside.uri}, beside the study file, has "
            f"{beside.count(study.study)}: name it with --store {beside.uri}"
        )
    return study.study, opened


def inputs(cache_folder: Path, progress: Progress | None = None) -> Inputs:
    """Return the splits and digests of the data and teachers in the cache; digests raise MissingData.

    `progress` is told while the pictures of a real data set are read for the first time.
    """
    from ablative.orchestrator.inputs import Inputs
    from ablative.progress import silent
    from ablative.trainables.data.splits import splits_of
    from ablative.trainables.digests import InputDigests

    looked_at = InputDigests(cache_folder, progress or silent)

    def triple(config: TrialConfig) -> tuple[str, str, str]:
        found = looked_at.of(config)
        return found.data, found.teacher, found.student

    return Inputs(
        splits=lambda config: tuple(splits_of(config.task.part, config.task.data)),
        digests=cache(triple),
    )


def planned_queue(
    study: Study,
    cells: Sequence[Cell],
    store: Store,
    cache_folder: Path,
    progress: Progress,
    *,
    retry_failed: bool = False,
    retrain_students: bool = False,
) -> tuple[TrialQueue, str]:
    """Return the queue of what `store` lacks, changing nothing, and which data is missing, if any is.

    Without the data a trial can be counted but has no identity, so nothing counts as recorded.
    """
    from ablative.orchestrator.driving.run import untrained
    from ablative.trainables.errors import MissingData

    planned = experiment(study, cells, cache_folder, progress)
    try:
        recorded = planned.recorded(store)
        again = untrained(planned, store, recorded) if retrain_students else set()
        return planned.queue(store, adopt=False, recorded=recorded, retry_failed=retry_failed, again=again), ""
    except MissingData as error:
        return unrecorded_queue(study, cells, cache_folder), str(error)


def students_lines(queue: TrialQueue, store: Store) -> list[str]:
    """Return what a plan says of the students that the study keeps: their size, and which cannot be had any more."""
    from ablative.orchestrator.deciding.keeping import estimated_bytes
    from ablative.orchestrator.driving.run import missing_students

    keep = queue.study.keep
    if not keep.room:
        return []
    wanted = estimated_bytes(queue.study, queue.cells)
    size = f"about {wanted / 1e9:.3g} GB" if wanted else "an unknown size"
    lines = [f"students: {keep.students}, {size} of {keep.gigabytes:g} GB (keep.gigabytes)"]
    if wanted > keep.room:
        lines.append(f"students: not all will be kept; set keep.gigabytes={math.ceil(wanted / 1e9)}")
    if missing := missing_students(queue, store):
        lines.append(
            f"students: {len(missing)} recorded trials were run without keeping theirs; to train them again: "
            "ablate run --retrain-students"
        )
    return lines


def possible_configs(study: Study, cells: Sequence[Cell], cache_folder: Path) -> list[TrialConfig]:
    """Return every configuration that a study may run, as far as preparation can tell them apart."""
    from ablative.orchestrator.driving.run import owed_configs

    return owed_configs(unrecorded_queue(study, cells, cache_folder))


def unrecorded_queue(study: Study, cells: Sequence[Cell], cache_folder: Path) -> TrialQueue:
    """Return the queue of all that a study may run, as if nothing were recorded; its trials have no identity."""
    from ablative.orchestrator.deciding.queue import TrialQueue
    from ablative.orchestrator.deciding.recorded import Recorded
    from ablative.orchestrator.inputs import UNKNOWN

    unknown = replace(inputs(cache_folder), digests=lambda config: (UNKNOWN, UNKNOWN, UNKNOWN))
    return TrialQueue(study, cells, Recorded(), unknown, judge=judge(study))


def experiment(study: Study, cells: Sequence[Cell], cache_folder: Path, progress: Progress) -> Experiment:
    """Return the study with the data and teachers of the cache, and its provenance; nothing prepares it yet.

    `progress`: as of `inputs`.
    """
    from ablative.orchestrator.driving.run import Experiment
    from ablative.orchestrator.storing.provenance import provenance

    return Experiment(
        study=study,
        cells=cells,
        inputs=inputs(cache_folder, progress),
        provenance=provenance(),
        judge=judge(study),
    )


def judge(study: Study) -> Judge | None:
    """Return what says which comparisons are clear, where a study with sequential seeds asks for it."""
    if study.seeds.sequential is None:
        return None
    from ablative.analysis.views.sequential import clear_arms

    return clear_arms


def prepare(configs: Sequence[TrialConfig], cache_folder: Path, progress: Progress) -> None:
    """Generate data, align teachers and compute features, as far as `configs` need them and they are missing."""
    from ablative.trainables.prepare import prepare as prepare_here

    prepare_here(configs, cache_folder, progress)


def student_report(
    settings: Mapping[str, Any], region_width: int, parts: Sequence[Path] = ()
) -> tuple[list[str], bool]:
    """Return what of a checkpoint becomes what of a student, as lines, and whether a trial would refuse it.

    `settings`: fields of `student`. Raises PartError for a preset that there is not, or that takes no checkpoints.
    """
    from ablative.trainables.parts.extended import trial_config
    from ablative.trainables.parts.part import PartError
    from ablative.trainables.parts.sources import catalogue
    from ablative.trainables.parts.student import students_by_preset

    found = catalogue(parts)
    students, preset = students_by_preset(found), settings["preset"]
    if preset not in students:
        raise PartError(f"--preset {preset}: no student has this preset; there are {', '.join(students)}")
    report = students[preset].report
    if report is None:
        raise PartError(
            f"--preset {preset}: student {students[preset].name} does not say what it takes of a checkpoint"
        )
    return report(type(trial_config(found)().student).model_validate(settings), region_width)


def engine(kind: str, address: str, study: Study, cache_folder: Path, checkpoints: str) -> tuple[Executor, Prepare]:
    """Return what runs trials and what prepares them: `inline`, or `ray` at an address.

    Address `any` joins a running cluster, and starts a private one if there is none. `checkpoints`: folder or URI.
    """

    def prepare_here(configs: Sequence[TrialConfig], progress: Progress) -> None:
        prepare(configs, cache_folder, progress)

    if kind == "inline":
        from ablative.orchestrator.driving.inline import InlineExecutor
        from ablative.trainables.trial import run_trial

        local = InlineExecutor(
            run_trial=run_trial, resources=study.resources, cache=cache_folder, checkpoints=checkpoints
        )
        return local, prepare_here
    from ablative.cluster.executor import RayExecutor

    where = _running_cluster() if address == "any" else address
    runner = RayExecutor(address=where, resources=study.resources, cache=cache_folder, checkpoints=checkpoints)
    return runner, preparation(where, study.resources, cache_folder)


def preparation(address: str, resources: Resources, cache_folder: Path, *, patches: bool = False) -> Prepare:
    """Return what prepares on the Ray cluster at `address`; `patches`: patch features of the images too."""
    from functools import partial

    from ablative.cluster.preparation import Preparation
    from ablative.cluster.preparation import prepare_private
    from ablative.cluster.preparation import prepare_remote
    from ablative.trainables.prepare import feature_blocks
    from ablative.trainables.prepare import prepare_data

    where = _running_cluster() if address == "any" else address
    steps = Preparation(data=partial(prepare_data, patches=patches), blocks=partial(feature_blocks, patches=patches))

    def prepare_there(configs: Sequence[TrialConfig], progress: Progress) -> None:
        if where == "local":
            prepare_private(configs, cache_folder, progress, resources=resources, steps=steps)
        else:
            prepare_remote(configs, cache_folder, progress, address=where, resources=resources, steps=steps)

    return prepare_there


def simulated_engine(kind: str, address: str, study: Study, checkpoints: str, trainable: RunTrial) -> Executor:
    """Return what runs `trainable`: `inline`, or `ray` at an address as of `engine`; nothing is to be prepared."""
    if kind == "inline":
        from ablative.orchestrator.driving.inline import InlineExecutor

        here = Path()
        return InlineExecutor(run_trial=trainable, resources=study.resources, cache=here, checkpoints=checkpoints)
    from ablative.cluster.executor import RayExecutor

    return RayExecutor(
        address=_running_cluster() if address == "any" else address,
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
    """Return what the judged studies found, as text."""
    from ablative.analysis.showing.power_table import power_table as table_of

    return table_of(judged)


def power_values(judged: Tally) -> dict[str, Any]:
    """Return what the judged studies found, as JSON values."""
    from ablative.analysis.showing.power_table import power_values as values_of

    return values_of(judged)


def display(quiet: bool, *, doing: str = "prepare") -> Display:
    """Return what a person sees on standard error: a drawing on a terminal, lines elsewhere, nothing if quiet.

    `doing`: what the stages before the trials belong to.
    """
    from rich.console import Console

    from ablative.orchestrator.showing.display import PlainDisplay
    from ablative.orchestrator.showing.display import QuietDisplay
    from ablative.orchestrator.showing.live import LiveDisplay

    console = Console(stderr=True)
    if quiet:
        return QuietDisplay()
    return LiveDisplay(console, doing=doing) if console.is_terminal else PlainDisplay(sys.stderr, doing=doing)


def serve_report(store: Store, study: str, *, port: int, every: float) -> ServedPage:
    """Serve the live report of `study` on loopback; raises `AnalysisError` where the port is taken."""
    from ablative.analysis.showing.live_page import LivePage
    from ablative.analysis.showing.live_page import ServedPage

    return ServedPage(LivePage(store.uri, study, lambda: store.version(study), every=every), port)


def export_student(
    store: Store, study: str, record: Record, folder: Path, parts: Sequence[Path], *, onnx: bool
) -> list[str]:
    """Write the kept student of a recorded trial into `folder`, with its card; return the names of the files."""
    from ablative.analysis.showing.card import card
    from ablative.trainables.parts.sources import catalogue
    from ablative.trainables.students.exported import write_student
    from ablative.trainables.students.kept import read_kept

    content = store.student(record.trial_id)
    assert content is not None, "the student of a record that was chosen is there"
    found = read_kept(content, f"trial {record.trial_id}", catalogue(parts))
    names = write_student(found, folder, onnx=onnx)
    (folder / "README.md").write_text(card(store.uri, study, record, names), encoding="utf-8")
    return [*names, "README.md"]


def effects_table(store: Store, study: str) -> str:
    """Return question, answer and result tables as text for standard output, or why trials cannot be compared.

    On a terminal as wide as that, and in colour; elsewhere in plain text, sentences in 120 columns, tables whole.
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


def _running_cluster() -> str:
    from ablative.cluster.session import connect
    from ablative.orchestrator.errors import ClusterError

    try:
        with connect("auto"):
            return "auto"
    except ClusterError:
        return "local"
