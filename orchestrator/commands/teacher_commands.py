"""`ablate teacher`: compute the features of a study's teachers once, and show which are cached."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ablative.orchestrator.commands.arguments import study_and_overrides
from ablative.orchestrator.commands.boundary import EXIT_FAILED
from ablative.orchestrator.commands.boundary import JSON
from ablative.orchestrator.commands.boundary import ONLY_ANSWERS
from ablative.orchestrator.commands.boundary import QUIET
from ablative.orchestrator.commands.boundary import boundary

if TYPE_CHECKING:
    from ablative.trainables.teachers.inventory import CachedTeacher


@click.group()
def teacher() -> None:
    """Compute and show the features of frozen teachers.

    `ablate run` does so when needed; use this to do it beforehand, or on other machines.

    \b
    ablate teacher cache quickstart               compute on this machine what its trials will read
    ablate teacher probe quickstart               measure what its teachers know, for `ablate plan`
    ablate teacher cache my_study.yaml --address auto      on the Ray cluster that runs here
    ablate teacher show                           list cached teachers and their size
    ablate teacher show my_study.yaml             list what is missing for its trials
    """


@teacher.command()
@study_and_overrides()
@click.option(
    "--address",
    envvar="ABLATE_ADDRESS",
    default="local",
    show_default=True,
    help="Ray cluster: local (this machine), auto (the one running here), any (auto, else local), or its address.",
)
@click.option("--patches", is_flag=True, help="Also compute features of single patches; no trial reads them.")
@JSON
@QUIET
@boundary
def cache(
    study: str,
    overrides: tuple[str, ...],
    parts: tuple[Path, ...],
    address: str,
    patches: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Prepare the data of STUDY and compute its teachers' features; it resumes if interrupted.

    STUDY is a shipped study's name or a path; OVERRIDES change it: a.b=value. Features that exist already are kept.

    \b
    ablate teacher cache quickstart
    ablate teacher cache my_study.yaml base.teacher.precision=float32
    ablate teacher cache my_study.yaml --address ray-head:6379
    """
    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.showing.teacher_answer import TeacherCacheAnswer
    from ablative.trainables.cache import cache_folder
    from ablative.trainables.prepare import preparation

    loaded = composition.load(study, overrides, parts)
    configs = composition.possible_configs(loaded)
    steps = preparation(patches=True) if patches else loaded.trainable.steps()
    published = composition.published_cache(steps)
    prepare = composition.preparation(steps, address, loaded.study.resources, cache_folder(), published)
    with composition.display(quiet) as display:
        if (rest := prepare(configs, display.preparing)) is not None:
            rest.compute(display.preparing)
    if as_json:
        click.echo(TeacherCacheAnswer(study=loaded.study.study, cache=str(cache_folder())).as_json())
    else:
        click.echo(f"{loaded.study.study}: the features of its teachers are in {cache_folder()}")


@teacher.command()
@study_and_overrides()
@JSON
@QUIET
@boundary
def probe(study: str, overrides: tuple[str, ...], parts: tuple[Path, ...], as_json: bool, quiet: bool) -> None:
    """Measure what the teachers of STUDY know of its tasks, so that `ablate plan` shows it beside the students.

    A linear probe on the features of a teacher is fitted on each condition's share of the labels and measured on val,
    in this process. Missing features are computed; earlier measurements are kept.

    \b
    ablate teacher probe quickstart
    ablate plan quickstart
    """
    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.showing.teacher_answer import TeacherProbeAnswer
    from ablative.trainables.cache import cache_folder

    loaded = composition.load(study, overrides, parts)
    with composition.display(quiet) as display:
        probed = composition.probe_teachers(loaded, cache_folder(), display.preparing)
    if as_json:
        click.echo(TeacherProbeAnswer(study=loaded.study.study, teachers=probed).as_json())
        return
    click.echo(f"{loaded.study.study}: its teachers are measured; `ablate plan {study}` shows it")


@teacher.command()
@study_and_overrides(required=False)
@click.option("--verify", is_flag=True, help="Read every file in full and compare it with its checksum.")
@JSON
@ONLY_ANSWERS
@boundary
def show(study: str | None, overrides: tuple[str, ...], parts: tuple[Path, ...], verify: bool, as_json: bool) -> None:
    """Show the teachers with cached features: tables, rows, size; with STUDY, also list what is missing.

    Exit status: 1 if features for STUDY are missing, 2 if a file is damaged.

    \b
    ablate teacher show
    ablate teacher show quickstart
    ablate teacher show --verify
    """
    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.showing.teacher_answer import TeacherShowAnswer
    from ablative.trainables.cache import cache_folder
    from ablative.trainables.teachers.inventory import cached_teachers
    from ablative.trainables.teachers.inventory import missing_rows

    found, missing = cached_teachers(cache_folder(), verify=verify), []
    if not as_json:
        for line in _lines(found, cache_folder()):
            click.echo(line)
    if study is not None:
        loaded = composition.load(study, overrides, parts)
        missing = missing_rows(composition.possible_configs(loaded), cache_folder())
    if as_json:
        answer = TeacherShowAnswer(
            cache=str(cache_folder()), teachers=tuple(found), study=study, missing=tuple(missing)
        )
        click.echo(answer.as_json())
    elif study is not None:
        for line in missing or ["complete"]:
            click.echo(f"{study}: {line}")
    if missing:
        sys.exit(EXIT_FAILED)


def _lines(found: Sequence[CachedTeacher], cache: Path) -> Iterator[str]:
    for entry in found:
        yield f"{entry.name}  {entry.num_bytes / 2**20:.1f} MiB  {entry.folder}"
        for table in entry.tables:
            yield (
                f"  {table.name:<9} {table.num_keys:>9,} keys {table.num_rows:>9,} vectors of {table.width} "
                f"{table.precision}  {table.num_bytes / 2**20:.1f} MiB in {table.num_shards} files"
            )
    if not found:
        yield f"no teacher features in {cache}"
