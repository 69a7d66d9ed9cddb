"""`ablate student`: what a checkpoint would bring into a student."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ablative.orchestrator.commands.arguments import STUDY
from ablative.orchestrator.commands.arguments import WITH
from ablative.orchestrator.commands.boundary import EXIT_MISTAKE
from ablative.orchestrator.commands.boundary import ONLY_ANSWERS
from ablative.orchestrator.commands.boundary import STORE
from ablative.orchestrator.commands.boundary import boundary


@click.group()
def student() -> None:
    """Look at student checkpoints, and take trained students out.

    \b
    ablate student export my_study.yaml --arm clip_td -o student
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
