"""`ablate data`: the bundled benchmark, and real data sets: check, prepare, shift, share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import click

from ablative.orchestrator.commands.arguments import STUDY
from ablative.orchestrator.commands.arguments import WITH
from ablative.orchestrator.commands.boundary import EXIT_MISTAKE
from ablative.orchestrator.commands.boundary import JSON
from ablative.orchestrator.commands.boundary import ONLY_ANSWERS
from ablative.orchestrator.commands.boundary import QUIET
from ablative.orchestrator.commands.boundary import boundary
from ablative.orchestrator.commands.task_options import with_options

if TYPE_CHECKING:
    from ablative.trainables.parts.task import Task

_OUT = click.option("--output", "-o", required=True, type=click.Path(path_type=Path), help="Folder or file to write.")
_TASK = click.option("--task", metavar="NAME", help="Task of the files [found by their names].")
_OPTIONS = click.option(
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="Option of the task, such as text_column=caption for task.image_text.text_column of a study; repeatable.",
)
_UNREADABLE = click.option(
    "--most-unreadable",
    type=click.FloatRange(0, 1),
    default=0.01,
    show_default=True,
    help="Tolerated share of unreadable rows in a file, and of duplicate rows in a split.",
)
_ALL = click.option("--all", "all_named", is_flag=True, help="List every problem, not only the first five of a kind.")


_DECODE = click.option(
    "--decode/--no-decode", default=True, show_default=True, help="Decode every picture, in parallel."
)
_LEAVE_OUT = click.option(
    "--leave-out",
    is_flag=True,
    help="Write missing or damaged pictures to left_out.json, up to this share of all; trials then skip them.",
)


@click.group()
def data() -> None:
    """Build and show the bundled benchmark; check and prepare real data sets.

    \b
    ablate data build mini
    ablate data show
    ablate data check FOLDER              check every row and reference, without training
    ablate data prepare FOLDER            store it for fast reading; with --regions, region features too
    ablate data regions FOLDER            compute region features with a frozen backbone
    ablate data shift FOLDER              make shifted tests from the files
    ablate data subset FOLDER --fraction 0.01 --seed 1 -o ids.txt
    ablate data submission STUDY --trial ID -o test.csv
    ablate data easy-vqa -o FOLDER        write a published data set from its Python package
    ablate data nlvr FOLDER -o FOLDER     write one from its repository: statements by people
    """


@data.command()
@click.argument(
    "name",
    type=click.Choice(["mini", "mini_questions", "mini_statements", "mini_smoke", "mini_large"]),
    default="mini",
)
@QUIET
@boundary
def build(name: str, quiet: bool) -> None:
    """Generate the benchmark, align its teacher and compute features, once.

    \b
    ablate data build mini
    """
    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.commands.benchmark import configs
    from ablative.trainables.cache import cache_folder
    from ablative.trainables.prepare import prepare

    with composition.display(quiet) as display:
        prepare(configs(name), cache_folder(), display.preparing)
    click.echo(f"{name} is ready in {cache_folder()}")


@data.command()
@ONLY_ANSWERS
@boundary
def show() -> None:
    """Show where generated data is kept, and how much there is.

    \b
    ablate data show
    """
    from ablative.orchestrator.commands.benchmark import folders
    from ablative.trainables.cache import cache_folder

    click.echo(str(cache_folder()))
    for name, num_files, num_bytes in folders(cache_folder()):
        click.echo(f"  {name}  {num_files} files  {num_bytes / 2**20:.1f} MiB")


@data.command()
@click.argument("folder")
@_TASK
@_OPTIONS
@WITH
@_UNREADABLE
@_DECODE
@_LEAVE_OUT
@_ALL
@JSON
@QUIET
@boundary
def check(
    folder: str,
    task: str | None,
    options: tuple[str, ...],
    parts: tuple[Path, ...],
    most_unreadable: float,
    decode: bool,
    leave_out: bool,
    all_named: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Read every row and picture of a real data set in FOLDER and list its problems; nothing is trained.

    Exit status 2 means that trials cannot or should not use the data set. Only --leave-out writes a file.

    \b
    ablate data check /data/vcr
    ablate data check /data/vcr --no-decode     only check that the pictures exist
    ablate data check /data/flickr --task snli_ve
    ablate data check my_pictures --option shift.column=source --option 'shift.values=[web]'
    """
    from ablative.trainables.data.convert import check

    run = partial(check, decode=decode, most_left_out=most_unreadable if leave_out else None)
    _inspect(run, folder, task, options, parts, most_unreadable, all_named, quiet, doing="check", as_json=as_json)


@data.command()
@click.argument("folder")
@_TASK
@_OPTIONS
@WITH
@_UNREADABLE
@_DECODE
@click.option(
    "--regions",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Region features: a UNITER-style LMDB, a bottom-up or LXMERT .tsv, or a folder of .npz. May be repeated.",
)
@click.option(
    "--merge",
    is_flag=True,
    help="Concatenate the regions of all --regions for each image; name the file of its own objects first.",
)
@click.option(
    "--names",
    type=click.Path(path_type=Path),
    help="JSON object from feature keys to image paths, for keys that match no image by name or number.",
)
@_ALL
@QUIET
@boundary
def prepare(
    folder: str,
    task: str | None,
    options: tuple[str, ...],
    parts: tuple[Path, ...],
    most_unreadable: float,
    decode: bool,
    regions: tuple[Path, ...],
    merge: bool,
    names: Path | None,
    all_named: bool,
    quiet: bool,
) -> None:
    """Check a real data set in FOLDER and store it once as memory-mapped Arrow files; it resumes if interrupted.

    \b
    ablate data prepare /data/vcr
    ablate data prepare /data/vcr --regions vcr_gt.lmdb --regions vcr.lmdb --merge
    ablate data prepare /data/vqa --regions /features/train2014.tsv --regions /features/val2014.tsv
    """
    from ablative.orchestrator.commands import composition
    from ablative.trainables.data.convert import prepare_examples

    store = partial(prepare_examples, needs_pictures=not regions, decode=decode, most_unreadable=most_unreadable)
    found = _inspect(store, folder, task, options, parts, most_unreadable, all_named, quiet, doing="prepare")
    if regions:
        from ablative.trainables.vision.conversion import convert_regions
        from ablative.trainables.vision.feature_files import feature_files

        sources = feature_files(regions)
        with composition.display(quiet) as display:
            report = convert_regions(found, sources, display.preparing, names=names, merge=merge)
        for line in report.lines():
            click.echo(line)


@data.command()
@click.argument("folder")
@_TASK
@_OPTIONS
@WITH
@_UNREADABLE
@_DECODE
@click.option("--backbone", metavar="MODEL", required=True, help="Name of a timm model, as timm.list_models() has it.")
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    help="Weights of the model: a local .safetensors, .pt or .bin with timm's names. Without it, "
    "random weights, as a control.",
)
@click.option("--image-size", type=click.IntRange(16, 4096), help="Pixels of the longer side [the model's own].")
@click.option(
    "--grid",
    type=click.IntRange(1, 20),
    default=6,
    show_default=True,
    help="Grid cells along each side, for images without boxes.",
)
@_ALL
@QUIET
@boundary
def regions(
    folder: str,
    task: str | None,
    options: tuple[str, ...],
    parts: tuple[Path, ...],
    most_unreadable: float,
    decode: bool,
    backbone: str,
    checkpoint: Path | None,
    image_size: int | None,
    grid: int,
    all_named: bool,
    quiet: bool,
) -> None:
    """Compute region features of a real data set in FOLDER with a frozen backbone, on all GPUs of this machine.

    Regions are the image's own objects if a metadata file has boxes for them (VCR), else cells of a grid. If killed,
    run the same command to resume. It recomputes pictures that are new or have changed.

    \b
    ablate data regions /data/vcr --backbone convnext_base --checkpoint convnext_base.safetensors --image-size 640
    ablate data regions /data/vqa --backbone vit_large_patch14_dinov2 --checkpoint dinov2_vitl14.safetensors
    """
    from ablative.orchestrator.commands import composition
    from ablative.trainables.cache import cache_folder
    from ablative.trainables.data.convert import prepare_examples
    from ablative.trainables.vision.backbone import open_backbone
    from ablative.trainables.vision.conversion import convert_regions

    store = partial(prepare_examples, decode=decode, most_unreadable=most_unreadable)
    found = _inspect(store, folder, task, options, parts, most_unreadable, all_named, quiet, doing="prepare")
    with composition.display(quiet) as display:
        source = open_backbone(
            backbone, checkpoint, found, cache_folder(), display.preparing, side=image_size, grid=grid
        )
        report = convert_regions(found, [source], display.preparing)
    for line in report.lines():
        click.echo(line)


@data.command()
@click.argument("folder")
@_TASK
@_OPTIONS
@WITH
@click.option(
    "--scores",
    type=click.Path(path_type=Path),
    help="VCR's per-token losses (shortcut_scores.jsonl) [our own text-only scorer, fitted on train].",
)
@QUIET
@boundary
def shift(
    folder: str,
    task: str | None,
    options: tuple[str, ...],
    parts: tuple[Path, ...],
    scores: Path | None,
    quiet: bool,
) -> None:
    """Write every shifted test that can be made from a real data set in FOLDER, beside its files.

    \b
    ablate data shift /data/vcr
    ablate data shift /data/snli_ve
    """
    from ablative.orchestrator.commands import composition
    from ablative.trainables.cache import cache_folder
    from ablative.trainables.data.layout import task_folder
    from ablative.trainables.data.shifts import make_shifts

    found = task_of_files(folder, task, options, parts)
    with composition.display(quiet) as display:
        made = make_shifts(found, task_folder(found, folder, cache_folder()), display.preparing, scores)
    assert found.shifts is not None
    for item in made:
        published = found.shifts.published.get(item.file)
        note = f"  (published: {published:,} of {found.shifts.published_of:,})" if published else ""
        click.echo(f"{item.file}  {item.num_items:,} of {item.of:,}{note}")


@data.command()
@click.argument("folder")
@_TASK
@_OPTIONS
@WITH
@click.option("--fraction", type=float, required=True, help="Share of the train split, in (0, 1].")
@click.option("--seed", type=int, required=True, help="Seed of the trials that train on the subset.")
@_OUT
@ONLY_ANSWERS
@boundary
def subset(
    folder: str,
    task: str | None,
    options: tuple[str, ...],
    parts: tuple[Path, ...],
    fraction: float,
    seed: int,
    output: Path,
) -> None:
    """Write the row ids of the low-shot subset for this fraction and seed, one per line, as a trial would use it.

    FOLDER is a real data set's folder, or `mini` with --task.

    \b
    ablate data subset /data/vcr --fraction 0.01 --seed 1 -o ids.txt
    """
    from ablative.trainables.cache import cache_folder
    from ablative.trainables.cache import write_atomically
    from ablative.trainables.data.load import load_split
    from ablative.trainables.data.subsets import subset_ids

    ids = subset_ids(
        load_split(task_of_files(folder, task, options, parts), folder, "train", cache_folder()), fraction, seed
    )
    write_atomically(output, "".join(f"{name}\n" for name in ids))
    click.echo(f"{len(ids):,} ids in {output}")


@data.command()
@STUDY
@click.option("--trial", required=True, help="Id of a confirm trial, or its first characters.")
@click.option("--split", default="blind_test", show_default=True, type=click.Choice(["blind_test", "blind_dev"]))
@click.option("--store", metavar="URI", help="Folder or URI of the records [ABLATE_STORE, or the study's own].")
@_OUT
@WITH
@ONLY_ANSWERS
@boundary
def submission(study: str, trial: str, split: str, store: str | None, output: Path, parts: tuple[Path, ...]) -> None:
    """Write a leaderboard file from a trial's predictions on a blind split: CSV for VCR, JSON for VQA.

    \b
    ablate data submission my_study --trial 3f9a -o vcr_test.csv
    """
    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.storing.predicted import predicted
    from ablative.trainables.cache import write_atomically
    from ablative.trainables.data.submission import submission

    name, opened = composition.find_study(study, store)
    task, said = predicted(opened, name, trial, split)
    write_atomically(output, submission(_named(task, parts), said))
    click.echo(f"{len(said):,} predictions in {output}")


@data.command("easy-vqa")
@_OUT
@click.option(
    "--test-pictures",
    type=click.IntRange(1, 1000),
    help="Keep only this many rows of test, the first ones [all 1,000].",
)
@ONLY_ANSWERS
@boundary
def easy_vqa(output: Path, test_pictures: int | None) -> None:
    """Write easy-VQA (Victor Zhou, MIT licence) from its Python package in the files of VQA v2.

    \b
    ablate data easy-vqa -o easy_vqa
    """
    from ablative.trainables.tasks.vqa_files.easy_vqa import package_data
    from ablative.trainables.tasks.vqa_files.easy_vqa import write_easy_vqa

    counts = write_easy_vqa(package_data(), output, test_pictures=test_pictures)
    click.echo(f"easy-VQA in {output}: " + ", ".join(f"{count:,} {part} questions" for part, count in counts.items()))


@data.command()
@click.argument("folder", type=click.Path(path_type=Path))
@_OUT
@click.option("--train", type=click.IntRange(1), help="Keep only this many statements of train, the first ones [all].")
@QUIET
@boundary
def nlvr(folder: Path, output: Path, train: int | None, quiet: bool) -> None:
    """Write Cornell's NLVR (Suhr and others 2017, CC-BY 4.0) in the files of SNLI-VE, with its shapes as boxes.

    FOLDER is the folder `nlvr` of https://github.com/lil-lab/nlvr.

    \b
    ablate data nlvr nlvr/nlvr -o data/nlvr
    """
    from ablative.orchestrator.commands import composition
    from ablative.trainables.tasks.snli_ve_files.nlvr import write_nlvr

    with composition.display(quiet, doing="write") as display:
        counts = write_nlvr(folder, output, display.preparing, train=train)
    click.echo(f"NLVR in {output}: " + ", ".join(f"{count:,} {split} pairs" for split, count in counts.items()))


def _inspect(
    run: Callable[..., list[Any]],
    folder: str,
    task: str | None,
    options: tuple[str, ...],
    parts: tuple[Path, ...],
    most: float,
    all_named: bool,
    quiet: bool,
    *,
    doing: str,
    as_json: bool = False,
) -> list[Any]:
    """Print everything that `run` finds; raise if trials cannot use the data set, or in JSON end with status 2."""
    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.showing.data_answer import data_check_answer
    from ablative.trainables.cache import cache_folder
    from ablative.trainables.data.findings import NUM_NAMED
    from ablative.trainables.data.inspection import described
    from ablative.trainables.data.inspection import judge
    from ablative.trainables.data.layout import task_folder
    from ablative.trainables.data.left_out import FILE
    from ablative.trainables.data.left_out import left_out

    found_task = task_of_files(folder, task, options, parts)
    understood = list(found_task.understood(found_task.at(task_folder(found_task, folder, cache_folder()))))
    for line in () if as_json else understood:
        click.echo(line)
    most_named = sys.maxsize if all_named else NUM_NAMED
    with composition.display(quiet, doing=doing) as display:
        found = run(found_task, folder, cache_folder(), display.preparing, most_named=most_named)
    unseen = len(left_out(found[0].folder))
    if as_json:
        answer = data_check_answer(found, understood=understood, left_out=unseen, most=most)
        click.echo(answer.as_json())
        sys.exit(0 if answer.fit else EXIT_MISTAKE)
    told: set[tuple[Path, int]] = set()
    for inspection in found:
        for line in described(inspection, told):
            click.echo(line)
    if unseen:
        click.echo(f"left out of all splits: {unseen:,} pictures, listed in {found[0].folder / FILE}")
    judge(found, most)
    return found


def task_of_files(folder: str, task: str | None, options: tuple[str, ...], parts: tuple[Path, ...]) -> Task:
    """Return the named task, else the task whose files are in the folder. Raises MissingData."""
    from ablative.trainables.data.layout import task_of
    from ablative.trainables.parts.sources import catalogue
    from ablative.trainables.parts.task import Task

    found = _named(task, parts) if task else task_of(folder, catalogue(parts).of(Task).values())
    return with_options(found, options)


def _named(task: str, parts: tuple[Path, ...]) -> Task:
    from ablative.search_spaces.wording import one_of
    from ablative.trainables.errors import MissingData
    from ablative.trainables.parts.sources import catalogue
    from ablative.trainables.parts.task import Task

    known = catalogue(parts).of(Task)
    if task not in known:
        raise MissingData(f"no task {task!r}; wanted {one_of(task, known)}, or its file by --with")
    return known[task]
