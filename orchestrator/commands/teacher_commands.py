"""`ablate teacher`: compute the features of a study's teachers once, and show which are cached."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import click

from ablative.orchestrator.commands.arguments import WITH
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
    """Compute and show the features of frozen teachers, and adapt one to a task.

    `ablate run` does so when needed; use this to do it beforehand, or on other machines.

    \b
    ablate teacher cache quickstart               compute on this machine what its trials will read
    ablate teacher probe quickstart               measure what its teachers know, for `ablate plan`
    ablate teacher cache my_study.yaml --address auto      on the Ray cluster that runs here
    ablate teacher adapt /data/vcr --model ViT-B-16-quickgelu --checkpoint clip.pt     fine-tune its towers
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
@click.argument("data")
@click.option("--task", metavar="NAME", help="Task of DATA [found by its files].")
@click.option("--model", required=True, help="Open_clip model by its name, or local-dir: and the path of its folder.")
@click.option("--checkpoint", help="Local path of the model's weights, as `teacher.checkpoint`.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("adapted_teacher"),
    show_default=True,
    help="Folder for the adapted model.",
)
@click.option(
    "--fraction",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Share of train to adapt on: the subset that trials of this share and --seed train on.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the subset and the order.")
@click.option("--steps", type=click.IntRange(1), default=1000, show_default=True, help="Number of steps.")
@click.option("--batch", type=click.IntRange(2), default=64, show_default=True, help="Number of pairs in a batch.")
@click.option("--lr", type=click.FloatRange(1e-9, 1), default=1e-6, show_default=True, help="Peak learning rate.")
@click.option("--weight-decay", type=click.FloatRange(0, 1), default=0.1, show_default=True, help="Decay of weights.")
@click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16"]),
    default="float32",
    show_default=True,
    help="Autocast precision.",
)
@click.option("--dry-run", is_flag=True, help="Check that all files are there, and stop.")
@WITH
@JSON
@QUIET
@boundary
def adapt(
    data: str,
    task: str | None,
    model: str,
    checkpoint: str | None,
    output: Path,
    fraction: float,
    parts: tuple[Path, ...],
    as_json: bool,
    quiet: bool,
    dry_run: bool,
    **recipe: Any,
) -> None:
    """Fine-tune both towers of an open_clip model on the matched pairs of DATA's train split (AF-T of towers).

    The result is a folder that a study names as its teacher. If killed, run the same command to resume. Trials with
    few labels may only have a teacher that saw no more: adapt on their --fraction and --seed.

    \b
    ablate teacher adapt /data/snli_ve --model ViT-B-16-quickgelu --checkpoint ViT-B-16.pt -o clip_ve
    ablate teacher adapt /data/vcr --model local-dir:my_clip --fraction 0.1 --seed 1 --dry-run
    """
    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.commands.data_commands import task_of_files

    recipe["batch_size"] = recipe.pop("batch")
    named = {"model": model, **({} if checkpoint is None else {"checkpoint": checkpoint})}
    answer = composition.adapt_teacher(
        task_of_files(data, task, (), parts),
        data,
        fraction,
        named,
        recipe,
        output,
        parts,
        quiet=quiet,
        dry_run=dry_run,
    )
    if as_json:
        click.echo(answer.as_json())
        return
    if dry_run:
        click.echo(f"all files are there; {answer.steps:,} steps would write {output}")
        return
    if answer.curve:
        click.echo(f"loss: {answer.curve[0].loss:.4g} at first, {answer.curve[-1].loss:.4g} at last")
    passes = answer.steps * min(recipe["batch_size"], answer.pairs) / answer.pairs
    click.echo(f"{output}: {answer.steps:,} steps over {answer.pairs:,} pairs, {passes:.3g} passes")
    click.echo(f"A study has it as its teacher with teacher.model=local-dir:{output}")


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
