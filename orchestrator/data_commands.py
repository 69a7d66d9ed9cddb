"""`ablate data`: the bundled benchmark."""

from __future__ import annotations

import click

from orchestrator.boundary import boundary


@click.group()
def data() -> None:
    """Build and show the bundled benchmark.

    \b
    ablate data build mini
    ablate data show
    """


@data.command()
@click.argument("name", type=click.Choice(["mini", "mini_smoke"]), default="mini")
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
@boundary
def build(name: str, quiet: bool) -> None:
    """Generate the benchmark, align its teacher and compute features, once.

    \b
    ablate data build mini
    """
    from orchestrator import composition
    from orchestrator.benchmark import configs
    from trainables.cache import cache_folder

    with composition.display(quiet) as display:
        composition.prepare(configs(name), cache_folder(), display.preparing)
    click.echo(f"{name} is ready in {cache_folder()}")


@data.command()
@boundary
def show() -> None:
    """Show where generated data is kept, and how much.

    \b
    ablate data show
    """
    from orchestrator.benchmark import folders
    from trainables.cache import cache_folder

    click.echo(str(cache_folder()))
    for name, num_files, num_bytes in folders(cache_folder()):
        click.echo(f"  {name}  {num_files} files  {num_bytes / 2**20:.1f} MiB")
