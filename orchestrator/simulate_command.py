"""`ablate simulate`: how often a design would find an effect of a given size, and at what price."""

from __future__ import annotations

import json
from collections.abc import Iterator
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

import click

from orchestrator.boundary import boundary

if TYPE_CHECKING:
    from orchestrator.simulation import SimulatedStudy


@click.command()
@click.argument("study")
@click.argument("overrides", nargs=-1)
@click.option(
    "--effect",
    "effects",
    multiple=True,
    metavar="NAME=SIZE",
    help="What a factor, arm or control is worth.",
)
@click.option("--studies", default=200, show_default=True, type=click.IntRange(2), help="Simulated studies.")
@click.option(
    "--noise", default=0.005, show_default=True, type=click.FloatRange(0.0), help="SD of a trial's own noise."
)
@click.option(
    "--hours", default=1.0, show_default=True, type=click.FloatRange(0.0), help="Of a trial with all the data."
)
@click.option("--slots", default=4, show_default=True, type=click.IntRange(1), help="Trials at once.")
@click.option("--seed", default=0, show_default=True, help="Of all noise.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
@boundary
def simulate(
    study: str,
    overrides: tuple[str, ...],
    effects: tuple[str, ...],
    studies: int,
    noise: float,
    hours: float,
    slots: int,
    seed: int,
    form: str,
    quiet: bool,
) -> None:
    """Say how often STUDY would find effects of a given size, before it costs anything.

    The whole study is run many times with simulated trials on a fake clock: its search, stopping rule, seeds and
    statistics are the real ones. A factor that the base has (`without`) is worth SIZE to every arm that keeps it;
    other factors, arms and controls are worth it to the arms that have them. Without effects it tells the error rate.

    \b
    ablate simulate quickstart --effect clip_td=0.02
    ablate simulate my_study.yaml --effect selection=0.02 "seeds.confirm=[1,2,3,4,5,6,7,8]"
    """
    from orchestrator import composition
    from orchestrator.simulation import many
    from orchestrator.simulation import named_effects
    from orchestrator.simulation import true_effects
    from trainables.simulated import SimulatedTrainable

    loaded, cells = composition.load(study, overrides)
    sizes = dict(_sizes(effects))
    run_trial = SimulatedTrainable(effects=named_effects(loaded, sizes), own_sd=noise, seconds=3600.0 * hours)
    played: list[SimulatedStudy] = []
    _play(many(loaded, cells, run_trial, slots=slots, count=studies, salt=str(seed)), played, studies, quiet)
    told = composition.powers(played, true_effects(cells, run_trial))
    if form == "json":
        click.echo(json.dumps({"powers": told[0], "false_positive_share": told[1], "cost": _cost(played)}))
    else:
        _print(told, _cost(played), slots)


def _sizes(effects: Sequence[str]) -> Iterator[tuple[str, float]]:
    for effect in effects:
        name, mark, size = effect.rpartition("=")
        try:
            yield name, float(size)
        except ValueError:
            mark = ""
        if not mark:
            raise click.UsageError(f"--effect {effect!r}: should be NAME=SIZE, such as selection=0.02")


def _play(studies: Iterator[SimulatedStudy], played: list[SimulatedStudy], count: int, quiet: bool) -> None:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True, quiet=quiet)
    played += track(studies, description="simulated studies", total=count, console=console, transient=True)


def _cost(played: Sequence[SimulatedStudy]) -> dict[str, float]:
    """Return means over the studies."""
    kinds = ("search", "confirm", "stopped")
    return {
        **{kind: sum(study.counts.get(kind, 0) for study in played) / len(played) for kind in kinds},
        "device_hours": sum(study.device_seconds for study in played) / len(played) / 3600,
        "makespan_hours": sum(study.makespan for study in played) / len(played) / 3600,
        "utilisation": sum(study.utilisation for study in played) / len(played),
    }


def _print(told: tuple[list[dict[str, Any]], float], cost: dict[str, float], slots: int) -> None:
    from rich.table import Table

    from orchestrator.overview import console

    table = Table(box=None, pad_edge=False)
    for name in ("arm", "true effect", "found in", "95 % interval", "mean estimate", "interval's width"):
        table.add_column(name, justify="left" if name == "arm" else "right")
    for row in told[0]:
        low, high = row["interval"]
        table.add_row(
            row["arm"],
            f"{row['true_effect']:+.4f}",
            f"{row['share']:.1%}" if row["num_enough"] else "never: not enough seeds",
            f"{low:.1%} to {high:.1%}",
            f"{row['mean_estimate']:+.4f}",
            f"{row['mean_width']:.4f}",
        )
    out = console()
    out.print(table)
    out.print(f"a difference was claimed where there is none, in any arm: {told[1]:.1%} of the studies")
    trials = f"{cost['search']:.0f} search, {cost['confirm']:.0f} confirm, {cost['stopped']:.0f} stopped early"
    out.print(f"trials a study: {trials}; device time {cost['device_hours']:.1f} h")
    out.print(
        f"on {slots} slots: {cost['makespan_hours']:.1f} h, which are busy {cost['utilisation']:.0%} of the time"
    )
