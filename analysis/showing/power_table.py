"""What a design finds, as a table for a terminal."""

from __future__ import annotations

import io

from ablative.analysis.views.power import ArmPower
from ablative.analysis.views.power import Tally

_ENDLESS = 100_000  # columns: names are whole, and what shows the text may wrap it
COLUMNS = ("arm", "true effect", "found", "95 % interval", "mean estimate", "bias", "interval width", "covered")


def power_table(tally: Tally) -> str:
    """Return one line an arm, and sentences on what the table cannot say."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    file = io.StringIO()
    console = Console(file=file, width=_ENDLESS, no_color=True, highlight=False)
    title = (
        f"{tally.headline} over all conditions: difference to {tally.reference}, in {tally.studies} simulated studies"
    )
    table = Table(title=Text(title), box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for position, column in enumerate(COLUMNS):
        table.add_column(Text(column), justify="left" if position == 0 else "right", overflow="fold")
    for arm in tally.arms():
        table.add_row(*map(Text, _row(arm)))
    console.print(table)
    for note in _notes(tally):
        console.print(Text(note), soft_wrap=True)
    return "\n".join(map(str.rstrip, file.getvalue().splitlines())) + "\n"


def _row(arm: ArmPower) -> tuple[str, ...]:
    low, high = arm.found.interval
    return (
        f"{arm.arm} (control)" if arm.is_control else arm.arm,
        f"{arm.true_effect:+.4f}",
        _percent(arm.found.value),
        f"{_percent(low)} to {_percent(high)}",
        _signed(arm.mean_estimate),
        _signed(arm.bias),
        "" if arm.mean_width is None else f"{arm.mean_width:.4f}",
        _percent(arm.covered.value),
    )


def _notes(tally: Tally) -> list[str]:
    arms = tally.arms()
    null = [arm.arm for arm in arms if not arm.true_effect]
    notes = [
        f"{arm.arm}: seen with the wrong sign in {arm.wrong_sign.count} studies"
        for arm in arms
        if arm.wrong_sign.count
    ]
    notes += [
        f"{arm.arm}: not enough seeds in {_percent(arm.not_enough.value)} of the studies"
        for arm in arms
        if arm.not_enough.count
    ]
    if null:
        low, high = tally.any_false.interval
        notes.append(
            f"At least one false positive (found, with true effect 0): {_percent(tally.any_false.value)} of the "
            f"studies (95 % interval {_percent(low)} to {_percent(high)}); the study allows {_percent(tally.alpha)}."
        )
    return notes


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.4f}"
