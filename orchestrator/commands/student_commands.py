"""`ablate student`: what a checkpoint would bring into a student, and trained students that leave."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ablative.orchestrator.commands.arguments import STUDY
from ablative.orchestrator.commands.arguments import WITH
from ablative.orchestrator.commands.boundary import EXIT_MISTAKE
from ablative.orchestrator.commands.boundary import ONLY_ANSWERS
from ablative.orchestrator.commands.boundary import QUIET
from ablative.orchestrator.commands.boundary import STORE
from ablative.orchestrator.commands.boundary import boundary

_ENDINGS = (".jsonl", ".csv", ".parquet")


def _with_ending(context: click.Context, parameter: click.Parameter, path: Path) -> Path:
    if path.suffix not in _ENDINGS:
        raise click.BadParameter(f"{path}: wanted a name that ends in {', '.join(_ENDINGS)}")
    return path


@click.group()
def student() -> None:
    """Look at student checkpoints, take trained students out, and let them predict.

    \b
    ablate student list my_study.yaml
    ablate student export my_study.yaml --arm clip_td -o student
    ablate student predict student /data/vqa --split test -o predictions.jsonl
    ablate student check uniter-base.pt --vocabulary vocab.txt
    """


@student.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--preset", default="uniter_base", show_default=True, help="Size of the student.")
@click.option("--vocabulary", help="WordPiece vocabulary that the student is to read [BERT's uncased one].")
@click.option(
    "--region-width", default=2048, show_default=True, help="Width of the data's region features; bundled trunk: 1280."
)
@WITH
@ONLY_ANSWERS
@boundary
def check(checkpoint: Path, preset: str, vocabulary: str | None, region_width: int, parts: tuple[Path, ...]) -> None:
    """Tell for every parameter whether CHECKPOINT has it, and whether a trial would take it; train nothing.

    Takes the published files of BERT, UNITER, VILLA and VL-BERT, and our own.

    \b
    ablate student check uniter-base.pt --vocabulary vocab.txt
    ablate student check pytorch_model.bin --preset uniter_base --region-width 1280
    """
    from ablative.orchestrator.commands import composition

    settings = {"preset": preset, "init": str(checkpoint), "vocabulary": vocabulary}
    lines, refused = composition.student_report(settings, region_width, parts)
    for line in lines:
        click.echo(line)
    sys.exit(EXIT_MISTAKE if refused else 0)


@student.command()
@STUDY
@STORE
@click.option("--arm", help="Arm whose student it is [the one with the best kept student on val].")
@click.option("--where", multiple=True, metavar="PATH=VALUE", help="Condition, such as task.name=vqa; repeatable.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("student"), show_default=True)
@click.option("--onnx", is_flag=True, help="Write model.onnx too; needs the packages onnx and onnxscript.")
@WITH
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
) -> None:
    """Write the best kept student of STUDY as a folder that loads with torch and safetensors alone.

    Weights, settings, tokenizer, the model's code and a card with the figures of the study. The study must keep its
    students (`keep: {students: best}`).

    \b
    ablate student export my_study.yaml
    ablate student export my_study.yaml --arm clip_td --where task.name=vqa -o student --onnx
    """
    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.deciding.chosen_student import chosen

    name, opened = composition.find_study(study, store)
    record = chosen(opened, name, arm=arm, where=where)
    names = composition.export_student(opened, name, record, output, parts, onnx=onnx)
    click.echo(f"{output}: {', '.join(names)}; trial {record.trial_id} of {record.cell}, seed {record.seed}")


@student.command("list")
@STUDY
@STORE
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list with one object a student.")
@ONLY_ANSWERS
@boundary
def list_kept(study: str, store: str | None, as_json: bool) -> None:
    """List the kept students of STUDY, also those of its trials that other studies keep.

    \b
    ablate student list my_study.yaml
    """
    import json

    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.deciding.chosen_student import confirmed_trials

    name, opened = composition.find_study(study, store)
    metric, kept = opened.study(name)["target"]["metric"], opened.kept_students()
    rows: list[dict[str, Any]] = [
        {
            "trial_id": one.trial_id,
            "arm": one.arm,
            "cell": one.cell,
            "seed": one.seed,
            metric: one.metrics.get(metric),
            "bytes": kept[one.trial_id],
        }
        for one in sorted(confirmed_trials(opened, name), key=lambda one: (one.cell, one.seed))
        if one.trial_id in kept
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(
            f"{row['trial_id']}  {row['cell']}  seed {row['seed']}  {metric} {row[metric]:.4f}  "
            f"{row['bytes'] / 1e6:.1f} MB"
        )
    click.echo(f"{len(rows)} kept students, {sum(row['bytes'] for row in rows) / 1e9:.3g} GB")


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
    help="Where the predictions go: .jsonl, .csv or .parquet.",
)
@click.option("--submission", type=click.Path(path_type=Path), help="Write the file of the task's leaderboard too.")
@click.option(
    "--batch", type=click.IntRange(min=1), default=256, show_default=True, help="Texts that are read together."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the metrics, and what was written.")
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
    """Write what the exported student in FOLDER says of DATA, a folder of its task's files.

    One row an example: its id, the prediction, its score where there are labels, and the probability of each class or
    candidate. With labels, the metrics are those that a trial would record.

    \b
    ablate student predict student /data/vqa
    ablate student predict student /data/vcr --split blind_test -o test.parquet --submission vcr_test.csv
    """
    import json

    from ablative.orchestrator.commands import composition
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
        values = {
            "trial_id": found.trial_id,
            "task": task.name,
            "data": data,
            "split": split,
            "examples": len(said.split.examples),
            "labelled": said.split.labelled,
            "metrics": said.metrics,
            "output": str(output),
            "submission": None if submission is None else str(submission),
        }
        click.echo(json.dumps(values, indent=2))
        return
    for name, value in said.metrics.items():
        click.echo(f"{name}  {value:.6g}")
    written = output if submission is None else f"{output} and {submission}"
    click.echo(f"{len(said.split.examples):,} predictions in {written}")
