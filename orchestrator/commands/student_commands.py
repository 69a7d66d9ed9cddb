"""`ablate student`: inspect a student's checkpoints, and pretrain, export and use students."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ablative.orchestrator.commands.arguments import STUDY
from ablative.orchestrator.commands.arguments import WITH
from ablative.orchestrator.commands.boundary import EXIT_MISTAKE
from ablative.orchestrator.commands.boundary import JSON
from ablative.orchestrator.commands.boundary import ONLY_ANSWERS
from ablative.orchestrator.commands.boundary import QUIET
from ablative.orchestrator.commands.boundary import STORE
from ablative.orchestrator.commands.boundary import boundary

_ENDINGS = (".jsonl", ".csv", ".parquet")


def _with_ending(context: click.Context, parameter: click.Parameter, path: Path) -> Path:
    if path.suffix not in _ENDINGS:
        raise click.BadParameter(f"{path}: unknown suffix; use a name that ends in {', '.join(_ENDINGS)}")
    return path


@click.group()
def student() -> None:
    """Inspect student checkpoints, pretrain further, export trained students, and predict with them.

    \b
    ablate student pretrain /data/vcr --init uniter-base.pt --vocabulary vocab.txt
    ablate student list my_study.yaml
    ablate student export my_study.yaml --arm clip_td -o student
    ablate student predict student /data/vqa --split test -o predictions.jsonl
    ablate student check uniter-base.pt --vocabulary vocab.txt
    """


@student.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--preset", default="uniter_base", show_default=True, help="Size of the student.")
@click.option("--vocabulary", help="WordPiece vocabulary for the student [BERT's uncased one].")
@click.option(
    "--region-width", default=2048, show_default=True, help="Width of the data's region features; bundled trunk: 1280."
)
@WITH
@JSON
@ONLY_ANSWERS
@boundary
def check(
    checkpoint: Path,
    preset: str,
    vocabulary: str | None,
    region_width: int,
    parts: tuple[Path, ...],
    as_json: bool,
) -> None:
    """List for every parameter whether CHECKPOINT has it and whether a trial would use it; nothing is trained.

    It reads the published files of BERT, UNITER, VILLA and VL-BERT, and our own.

    \b
    ablate student check uniter-base.pt --vocabulary vocab.txt
    ablate student check pytorch_model.bin --preset uniter_base --region-width 1280
    """
    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.showing.student_answer import StudentCheckAnswer

    settings = {"preset": preset, "init": str(checkpoint), "vocabulary": vocabulary}
    lines, refused = composition.student_report(settings, region_width, parts)
    if as_json:
        answer = StudentCheckAnswer(checkpoint=str(checkpoint), preset=preset, fits=not refused, report=tuple(lines))
        lines = [answer.as_json()]
    for line in lines:
        click.echo(line)
    sys.exit(EXIT_MISTAKE if refused else 0)


@student.command()
@click.argument("data")
@click.option("--task", metavar="NAME", help="Task of DATA [found by its files].")
@click.option("--preset", default="uniter_base", show_default=True, help="Size of the student; it reads regions.")
@click.option("--init", default="pretrained", show_default=True, help="Starting weights, as `student.init`.")
@click.option("--vocabulary", help="WordPiece vocabulary for the student [BERT's uncased one].")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("second_stage.safetensors"),
    show_default=True,
    help="File for the weights.",
)
@click.option("--steps", type=click.IntRange(1), default=45_000, show_default=True, help="Number of steps.")
@click.option("--batch", type=click.IntRange(2), default=64, show_default=True, help="Number of texts in a batch.")
@click.option("--lr", type=click.FloatRange(1e-9, 1), default=3e-5, show_default=True, help="Peak learning rate.")
@click.option("--words", type=click.FloatRange(0), default=2.0, show_default=True, help="Weight of masked words.")
@click.option("--regions", type=click.FloatRange(0), default=2.0, show_default=True, help="Weight of masked regions.")
@click.option(
    "--matching", type=click.FloatRange(0), default=0.0, show_default=True, help="Weight of image-text matching."
)
@click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16"]),
    default="float32",
    show_default=True,
    help="Autocast precision.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of every draw.")
@click.option("--dry-run", is_flag=True, help="Check that all files are there, and stop.")
@WITH
@JSON
@QUIET
@boundary
def pretrain(
    data: str,
    task: str | None,
    preset: str,
    init: str,
    vocabulary: str | None,
    output: Path,
    parts: tuple[Path, ...],
    as_json: bool,
    quiet: bool,
    dry_run: bool,
    **recipe: Any,
) -> None:
    """Pretrain a student on the texts and pictures of DATA's train split, as UNITER's second stage does.

    Objectives: masked words, masked region features and, if wanted, image-text matching. Each step trains one of them,
    drawn by the weights. If killed, run the same command to resume. A study starts from the file by `student.init`.

    \b
    ablate student pretrain /data/vcr --init uniter-base.pt --vocabulary vocab.txt -o vcr_stage2.safetensors
    ablate student pretrain /data/vcr --init uniter-base.pt --vocabulary vocab.txt --dry-run
    ablate student pretrain mini --task vcr --preset uniter_tiny --init scratch --steps 2000 --lr 1e-3
    """
    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.commands.data_commands import task_of_files

    if not recipe["words"] + recipe["regions"] + recipe["matching"]:
        raise click.UsageError("all objectives have weight 0; give --words, --regions or --matching a weight")
    recipe["batch_size"] = recipe.pop("batch")
    settings = {"preset": preset, "init": init, "vocabulary": vocabulary}
    answer = composition.pretrain_student(
        task_of_files(data, task, (), parts), data, settings, recipe, output, parts, quiet=quiet, dry_run=dry_run
    )
    if as_json:
        click.echo(answer.as_json())
        return
    if dry_run:
        click.echo(f"all files are there; {answer.steps:,} steps would write {output}")
        return
    for point in answer.curve[-1:]:
        losses = ", ".join(f"{name} {value:.4g}" for name, value in point.losses.items())
        click.echo(f"last losses: {losses}")
    passes = answer.steps * recipe["batch_size"] / answer.examples
    click.echo(f"{output}: {answer.steps:,} steps over {answer.examples:,} pairs, {passes:.3g} passes")
    click.echo(f"A study starts from it with student.init={output}")


@student.command()
@STUDY
@STORE
@click.option("--arm", help="Arm of the student [the arm with the best kept student on val].")
@click.option("--where", multiple=True, metavar="PATH=VALUE", help="Condition, such as task.name=vqa; repeatable.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("student"), show_default=True)
@click.option("--onnx", is_flag=True, help="Also write model.onnx; needs the packages onnx and onnxscript.")
@WITH
@JSON
@ONLY_ANSWERS
@boundary
def export(
    study: str,
    store: str | None,
    arm: str | None,
    where: tuple[str, ...],
    output: Path,
    onnx: bool,
    parts: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Write the best kept student of STUDY as a folder that loads with torch and safetensors alone.

    The folder holds weights, settings, tokenizer, the model's code and a card with the study's figures. The study must
    keep its students (`keep: {students: best}`).

    \b
    ablate student export my_study.yaml
    ablate student export my_study.yaml --arm clip_td --where task.name=vqa -o student --onnx
    """
    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.deciding.chosen_student import chosen
    from ablative.orchestrator.showing.student_answer import StudentExportAnswer

    name, opened = composition.find_study(study, store)
    record = chosen(opened, name, arm=arm, where=where)
    names = composition.export_student(opened, name, record, output, parts, onnx=onnx)
    if as_json:
        place = {name: getattr(record, name) for name in ("trial_id", "arm", "cell", "seed")}
        click.echo(StudentExportAnswer(**place, folder=str(output), files=tuple(names)).as_json())
        return
    click.echo(f"{output}: {', '.join(names)}; trial {record.trial_id} of {record.cell}, seed {record.seed}")


@student.command("list")
@STUDY
@STORE
@JSON
@ONLY_ANSWERS
@boundary
def list_kept(study: str, store: str | None, as_json: bool) -> None:
    """List the kept students of STUDY, including those of its trials that other studies keep.

    \b
    ablate student list my_study.yaml
    """
    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.deciding.chosen_student import confirmed_trials
    from ablative.orchestrator.showing.student_answer import KeptStudent
    from ablative.orchestrator.showing.student_answer import StudentListAnswer

    name, opened = composition.find_study(study, store)
    metric, sizes = opened.study(name)["target"]["metric"], opened.kept_students()
    kept = tuple(
        KeptStudent(
            trial_id=one.trial_id,
            arm=one.arm,
            cell=one.cell,
            seed=one.seed,
            value=one.metrics.get(metric),
            bytes=sizes[one.trial_id],
        )
        for one in sorted(confirmed_trials(opened, name), key=lambda one: (one.cell, one.seed))
        if one.trial_id in sizes
    )
    if as_json:
        click.echo(StudentListAnswer(study=name, metric=metric, students=kept).as_json())
        return
    for one in kept:
        value = "unknown" if one.value is None else f"{one.value:.4f}"
        click.echo(f"{one.trial_id}  {one.cell}  seed {one.seed}  {metric} {value}  {one.bytes / 1e6:.1f} MB")
    click.echo(f"{len(kept)} kept students, {sum(one.bytes for one in kept) / 1e9:.3g} GB")


@student.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("data")
@click.option("--split", default="test", show_default=True, help="Split of DATA; a blind one has no metrics.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("predictions.jsonl"),
    show_default=True,
    callback=_with_ending,
    help="File for the predictions: .jsonl, .csv or .parquet.",
)
@click.option("--submission", type=click.Path(path_type=Path), help="Also write the file for the task's leaderboard.")
@click.option(
    "--batch", type=click.IntRange(min=1), default=256, show_default=True, help="Number of texts in a batch."
)
@JSON
@WITH
@QUIET
@boundary
def predict(
    folder: Path,
    data: str,
    split: str,
    output: Path,
    submission: Path | None,
    batch: int,
    as_json: bool,
    parts: tuple[Path, ...],
    quiet: bool,
) -> None:
    """Write the predictions of the exported student in FOLDER for DATA, a folder with its task's files.

    One row per example: its id, the prediction, its score if there are labels, and the probability of each class or
    candidate. With labels, the metrics are those that a trial would record.

    \b
    ablate student predict student /data/vqa
    ablate student predict student /data/vcr --split blind_test -o test.parquet --submission vcr_test.csv
    """
    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.showing.student_answer import StudentPredictAnswer
    from ablative.trainables.cache import cache_folder
    from ablative.trainables.cache import write_atomically
    from ablative.trainables.data.submission import require_leaderboard
    from ablative.trainables.data.submission import submission as leaderboard_file
    from ablative.trainables.parts.sources import catalogue
    from ablative.trainables.predicting import predict_split
    from ablative.trainables.predicting import write_rows
    from ablative.trainables.students.exported import read_student

    found, module = read_student(folder, catalogue(parts))
    task = found.config.task.part
    if submission is not None:
        require_leaderboard(task)
    with composition.display(quiet, doing="predict") as display:
        said = predict_split(found, module, data, split, cache_folder(), display.preparing, sequences=batch)
    write_rows(said, output)
    if submission is not None:
        write_atomically(submission, leaderboard_file(task, said.recorded))
    if as_json:
        answer = StudentPredictAnswer(
            trial_id=found.trial_id,
            task=task.name,
            data=data,
            split=split,
            examples=len(said.split.examples),
            labelled=said.split.labelled,
            metrics=dict(said.metrics),
            output=str(output),
            submission=None if submission is None else str(submission),
        )
        click.echo(answer.as_json())
        return
    for name, value in said.metrics.items():
        click.echo(f"{name}  {value:.6g}")
    written = output if submission is None else f"{output} and {submission}"
    click.echo(f"{len(said.split.examples):,} predictions in {written}")
