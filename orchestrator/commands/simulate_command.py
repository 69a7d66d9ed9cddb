"""`ablate simulate`: what a design would find, before anything is run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import click

from ablative.orchestrator.commands.arguments import study_and_overrides
from ablative.orchestrator.commands.boundary import JSON
from ablative.orchestrator.commands.boundary import QUIET
from ablative.orchestrator.commands.boundary import boundary
from ablative.orchestrator.commands.event_stream import event_stream

if TYPE_CHECKING:
    from ablative.orchestrator.commands.loaded import Loaded
    from ablative.orchestrator.inputs import Inputs
    from ablative.orchestrator.showing.display import Display
    from ablative.orchestrator.simulating.assumptions import Assumptions
    from ablative.orchestrator.simulating.simulation import MeanCost
    from ablative.orchestrator.simulating.simulation import SimulatedRun
    from ablative.search_spaces.study import Study
    from ablative.trainables.simulated import SimulatedTrainable

DEFAULT_SLOTS = 4
"""Trials at once if neither the option nor the study says."""
_POSITIVE = click.FloatRange(min=0.0)


@click.command()
@study_and_overrides()
@click.option("--effect", "effects", metavar="NAME=SIZE", multiple=True, help="Size of a true effect; repeatable.")
@click.option(
    "--studies", type=click.IntRange(min=1), default=200, show_default=True, help="Number of simulated studies."
)
@click.option(
    "--noise", type=_POSITIVE, default=0.01, show_default=True, help="Standard deviation of a trial's own noise."
)
@click.option(
    "--search-loss",
    type=_POSITIVE,
    default=0.02,
    show_default=True,
    help="Loss of target at the worst value of a searched number.",
)
@click.option("--seconds", type=_POSITIVE, default=60.0, show_default=True, help="Length of a trial on all the data.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same answer.")
@click.option("--slots", type=click.IntRange(min=1), help="Trials at once [resources.max_concurrent, else 4].")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@JSON
@click.option(
    "--engine",
    type=click.Choice(["clock", "inline", "ray"]),
    default="clock",
    show_default=True,
    help="clock: in memory, on a fake clock. inline, ray: one study, recorded in the store, to try an engine.",
)
@click.option(
    "--address", envvar="ABLATE_ADDRESS", default="local", show_default=True, help="Ray cluster of the engine ray."
)
@click.option("--store", metavar="URI", help="Store of the engines inline and ray [ABLATE_STORE, or the study's own].")
@click.option(
    "--sleep", is_flag=True, help="With the engines inline and ray: trials really last as long as they claim."
)
@QUIET
@boundary
def simulate(study: str, overrides: tuple[str, ...], parts: tuple[Path, ...], **options: Any) -> None:
    """Say how often STUDY would detect effects of a known size, and its cost; nothing is trained.

    Only the trials are simulated: queue, search, stopping and analysis are the real ones. NAME=SIZE states a true
    effect, in units of the target. A factor's SIZE is the worth of its part: arms without the part lose SIZE
    (`without`), arms with it gain SIZE (`with`), and so does every level other than the base's (`levels`, `values`).
    The SIZE of one level (without_x, with_x, x=level), of an arm or of a control is added to it directly. All other
    effects are 0; without any --effect, every difference found is a false positive.

    \b
    ablate simulate quickstart --effect clip_td=0.02
    ablate simulate my_study.yaml search.trials=8 --effect selection=0.02 --effect confidence=0.01
    ablate simulate quickstart --engine inline --store simulated-results
    """
    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.simulating.assumptions import Assumptions
    from ablative.orchestrator.simulating.assumptions import read_effects
    from ablative.orchestrator.simulating.assumptions import trainable_for

    options["as_json"] |= options["form"] == "json"
    assumed = Assumptions(
        effects=read_effects(options["effects"]),
        noise=options["noise"],
        search_loss=options["search_loss"],
        seconds=options["seconds"],
    )
    loaded = composition.load(study, overrides, parts)
    inputs = composition.inputs(loaded)
    trainable = trainable_for(loaded.study, loaded.cells, inputs, assumed)
    if options["engine"] == "clock":
        _simulate_many(loaded, inputs, trainable, assumed, options)
    else:
        salted = replace(trainable, sleeps=options["sleep"], salt=str(options["seed"]))
        _run_one(loaded, inputs, salted, options)


def _simulate_many(
    loaded: Loaded, inputs: Inputs, trainable: SimulatedTrainable, assumed: Assumptions, options: Any
) -> None:
    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.simulating.assumptions import arm_sizes
    from ablative.orchestrator.simulating.simulation import mean_cost
    from ablative.orchestrator.simulating.simulation import simulate as simulated

    study = loaded.study
    slots = options["slots"] or _slots(study)
    judged = composition.tally(arm_sizes(study, inputs, assumed.effects))
    runs: list[SimulatedRun] = []
    some = simulated(
        study,
        loaded.cells,
        inputs,
        trainable,
        studies=options["studies"],
        seed=options["seed"],
        slots=slots,
        judge=composition.judge(study),
    )
    for run in _shown(some, options["studies"], options["quiet"]):
        judged.add(run.planned, run.confirmed)
        runs.append(run)
    cost = mean_cost(runs)
    if options["as_json"]:
        answer = composition.simulate_answer(
            judged, study=study.study, seed=options["seed"], slots=slots, assumed=assumed, cost=cost
        )
        click.echo(answer.as_json())
    else:
        click.echo(composition.power_table(judged), nl=False)
        click.echo(_cost_text(cost, slots, assumed))


def _run_one(loaded: Loaded, inputs: Inputs, trainable: SimulatedTrainable, options: Any) -> None:
    from ablative.orchestrator.commands import composition
    from ablative.orchestrator.driving.run import run_study
    from ablative.orchestrator.showing.display import Displays
    from ablative.orchestrator.showing.overview import console
    from ablative.orchestrator.showing.overview import print_summary
    from ablative.orchestrator.simulating.simulation import simulated_experiment

    study = loaded.study
    experiment = simulated_experiment(study, loaded.cells, inputs, trainable, composition.judge(study))
    store = composition.open_store(options["store"], study)
    checkpoints = store.checkpoints_uri(experiment.study.study)
    engine = composition.simulated_engine(
        options["engine"], options["address"], experiment.study, checkpoints, trainable
    )
    with event_stream(asked=options["as_json"]) as events:
        shown: Display = composition.display(options["quiet"])
        if events is not None:
            events.begin(experiment.study.study, store.uri, options["engine"])
            shown = Displays(shown, events)
        with shown as display:
            summary = run_study(experiment, store, engine, display)
        if events is not None:
            events.close(summary, 0, composition.verdicts(store, summary.study))
            return
    click.echo(composition.effects_table(store, summary.study))
    print_summary(console(), summary, store.uri)


def _slots(study: Study) -> int:
    at_once = study.resources.max_concurrent
    return DEFAULT_SLOTS if at_once == "auto" else at_once


def _shown(runs: Iterator[SimulatedRun], total: int, quiet: bool) -> Iterator[SimulatedRun]:
    """Draw a bar on standard error if that is a terminal."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    hidden = quiet or not console.is_terminal
    return iter(track(runs, "simulated studies", total=total, console=console, disable=hidden, transient=True))


def _cost_text(cost: MeanCost, slots: int, assumed: Assumptions) -> str:
    from ablative.orchestrator.durations import duration

    stopped = f" ({cost.stopped:.1f} of them stopped early)" if cost.stopped else ""
    failed = f", {cost.failed:.1f} failed" if cost.failed else ""
    return (
        f"A study: {cost.search:.1f} search trials{stopped}, {cost.confirm:.1f} confirm trials{failed}; "
        f"{cost.device_hours:.2f} device hours where a trial with all the data takes {assumed.seconds:g} s; "
        f"{duration(cost.makespan_s)} on {slots} slots, {100 * cost.utilisation:.1f} % of their time in use."
    )
