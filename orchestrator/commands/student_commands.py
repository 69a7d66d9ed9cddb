"""`ablate student`: what a checkpoint would bring into a student."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ablative.orchestrator.commands.arguments import WITH
from ablative.orchestrator.commands.boundary import EXIT_MISTAKE
from ablative.orchestrator.commands.boundary import boundary


@click.group()
def student() -> None:
    """Look at student checkpoints.

    \b
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
