"""The output of `ablate plan`, `ablate status` and the end of `ablate run`: a line for each cell, and totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ablative.orchestrator.deciding.costs import Cost
from ablative.orchestrator.deciding.progress import CellProgress
from ablative.orchestrator.deciding.queue import TrialQueue
from ablative.orchestrator.deciding.summary import Summary
from ablative.orchestrator.durations import duration
from ablative.orchestrator.learned import SIGN
from ablative.orchestrator.showing.cell_name import CellName
from ablative.orchestrator.showing.luck import planned_line
from ablative.orchestrator.showing.passes import UNKNOWN
from ablative.orchestrator.showing.passes import passes_lines
from ablative.orchestrator.showing.passes import shown
from ablative.orchestrator.showing.standing import Standing
from ablative.orchestrator.showing.whereabouts import command
from ablative.orchestrator.storing.records import Record
from ablative.search_spaces.arms import RESOLUTION
from ablative.search_spaces.fractional import achieved_resolution
from ablative.search_spaces.fractional import columns
from ablative.search_spaces.fractional import confounded
from ablative.search_spaces.searches import how_searched
from ablative.search_spaces.stopping import rule_of
from ablative.search_spaces.study import Study
from ablative.trainables.parts.trainable import Exposure

FAILURES_SHOWN = 20
CONFOUNDED_SHOWN = 12
_ENDLESS = 100_000
"""Columns if the output is not a terminal; then names stay whole and no line is wrapped."""


def console(*, stderr: bool = False) -> Console:
    """Return a console that prints text as it is; on a pipe it neither wraps a line nor cuts a name."""
    found = Console(stderr=stderr, highlight=False, markup=False)
    if found.is_terminal:
        return found
    return Console(stderr=stderr, highlight=False, markup=False, width=_ENDLESS, soft_wrap=True)


def print_plan(
    out: Console,
    queue: TrialQueue,
    cost: Cost,
    *,
    missing: str = "",
    earlier: Sequence[str] = (),
    exposures: Mapping[str, Exposure] | None = None,
) -> None:
    """Print cells, trials (recorded, taken, owed), and the expected cost.

    `missing`: which data is not here; then trials have no ids yet. `earlier`: lines on records outside the plan.
    `exposures`: by cell, how much of their training data its trials see.
    """
    passes = {cell: shown(exposure) for cell, exposure in (exposures or {}).items()}
    out.print(cells_table(queue.progress(), "", passes=passes))
    taken, owed = queue.num_taken, queue.owed()
    recorded = len({trial.id for trial in queue.trials()} & queue.known.keys()) - taken
    out.print(f"{len(queue.cells)} cells, {recorded} trials recorded, {taken} taken from other studies, {owed} owed")
    if more := queue.may_follow():
        phase = "search" if queue.study.seeds.nested else "confirm"
        out.print(f"and up to {more} more {phase} trials, until comparisons are clear (seeds.sequential)")
    for line in _design(queue.study):
        out.print(line)
    if line := planned_line(queue):
        out.print(line)
    for line in passes_lines(exposures or {}):
        out.print(line)
    if queue.observes:
        rule, _ = rule_of(queue.study.search.stop)
        out.print(f"{rule.name} depends on the order in which trials finish, so another run may stop other trials")
    for line in earlier:
        out.print(line)
    if missing:
        out.print(f"The trials have no ids yet, so recorded trials cannot be recognised:\n{missing}")
    if owed:
        out.print(_cost(cost))


def print_status(out: Console, standing: Standing) -> None:
    """Print the progress of each cell, failed trials with their causes, and unreadable files of the store."""
    out.print(cells_table(standing.cells, standing.metric))
    out.print(best(standing.metric))
    for line in learned_nothing(standing.cells):
        out.print(line)
    out.print(recorded(standing))
    if standing.declared:
        out.print(standing.declared)
    for cell, front in standing.fronts.items():
        out.print(f"front of {cell} ({standing.metric}): {'; '.join(front)}")
    if standing.num_superseded:
        out.print(f"{standing.num_superseded} more records belong to arms or settings that the study no longer has")
    for record in standing.failed[:FAILURES_SHOWN]:
        out.print(failure(record))
    if len(standing.failed) > FAILURES_SHOWN:
        out.print(f"... and {len(standing.failed) - FAILURES_SHOWN} more failed trials")
    print_problems(out, standing.problems)


def print_summary(out: Console, summary: Summary, uri: str) -> None:
    """Print what a run did, and which cells have no result."""
    for line in summary_lines(summary, uri):
        out.print(line)


def summary_lines(summary: Summary, uri: str) -> Iterator[str]:
    """Yield lines on what a run did, and on cells without a result."""
    taken = f", {summary.taken} taken from other studies" if summary.taken else ""
    yield (
        f"{summary.study}: {summary.ran} trials run, {summary.recorded} recorded before{taken}, "
        f"{summary.num_failed} failed; records in {uri}"
    )
    if summary.stopped:
        yield f"{summary.stopped} of the trials run were stopped early by a rule of the search"
    if summary.spent:
        parts = (f"{kind} {duration(seconds)}" for kind, seconds in summary.spent.items())
        overhead = f"overhead {duration(summary.overhead)} ({100 * summary.utilisation:.0f} % went into trials)"
        yield f"device time of this run: {', '.join(parts)}; {overhead}"
    if summary.owed:
        yield f"{summary.owed} trials are still owed: the budget is spent; run the same command to continue"
    for cell, count in summary.failed.items():
        yield f"failed: {cell}: {count} trials; `{command('status', summary.study, uri)}` says why"
    for cell in summary.cells_without_result:
        yield f"no result: {cell}: its search completed no setting"
    yield f"`{command('report', summary.study, uri)}` writes the page"


def print_problems(out: Console, problems: Sequence[str]) -> None:
    """Print the files of a store that were skipped."""
    for problem in problems:
        out.print(f"problem: {problem}")


def recorded(standing: Standing) -> str:
    """Return one line on how many trials of the study are recorded and failed."""
    done, total = sum(cell.done for cell in standing.cells), sum(cell.total for cell in standing.cells)
    return f"{standing.study}: {done} of {total} trials recorded, {len(standing.failed)} failed"


def failure(record: Record) -> str:
    """Return one line on a failed trial."""
    lines = record.error.strip().splitlines()
    reason = f": {lines[-1]}" if lines else ""
    return f"failed: {record.cell} {record.phase} seed {record.seed} ({record.cause}){reason}"


def learned_nothing(cells: Sequence[CellProgress]) -> Iterator[str]:
    """Yield one line for each reason why cells have learned nothing, with their number."""
    reasons = Counter(cell.lack for cell in cells if cell.lack)
    for reason, number in reasons.items():
        yield f"{SIGN} {number} of {len(cells)} cells have learned nothing: {reason}"


def best(metric: str) -> str:
    """Return what the column `best` of `cells_table` means."""
    return f"best: the best mean {metric} of a setting"


def cells_table(
    cells: Sequence[CellProgress], metric: str, *, line_each: bool = False, passes: Mapping[str, str] | None = None
) -> Table:
    """Return a row for each cell: the records of its search and of its confirm seeds, and its best `metric`.

    `passes`: by cell, how often it sees its training data, as text.

    On a narrow terminal, cells' names are wrapped, or cut if each may take only one line; numbers never are.
    """
    table = Table(box=None, pad_edge=False)
    table.add_column("cell")
    stops, knows = any(cell.stopped for cell in cells), any(cell.majority is not None for cell in cells)
    for name in (
        "search",
        "confirm",
        *(["stopped"] if stops else []),
        "failed",
        *(["best"] if metric else []),
        *(["majority"] if knows else []),
        *(["passes"] if passes else []),
    ):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for cell in cells:
        value = [Text("" if cell.best is None else f"{cell.best:.4f}")] if metric else []
        search = Text(f"{cell.search_done}/{cell.search_total}")
        confirm = Text(f"{cell.confirm_done}/{cell.confirm_total}")
        stopped = [Text(str(cell.stopped or ""))] if stops else []
        failed = Text(str(cell.failed or ""))
        cell_name = CellName(cell.cell, one_line=line_each)
        majority = [Text("" if cell.majority is None else f"{cell.majority:.4f}")] if knows else []
        seen = [Text(passes.get(cell.cell, UNKNOWN))] if passes else []
        state = f"{cell.state} {SIGN}" if cell.lack else cell.state
        table.add_row(cell_name, search, confirm, *stopped, failed, *value, *majority, *seen, Text(state))
    return table


def _design(study: Study) -> Iterator[str]:
    """Print what arms share, what a path has yet to find, and what a fractional design confounds."""
    yield from how_searched(repeats=study.search.repeats, nested=study.seeds.nested, shared=study.search.shared)
    if study.arms.design == "path":
        order = "the best survivor of a race" if study.arms.order == "racing" else "the best"
        yield f"path: each round tries the changes that are left and takes {order}, by {study.target.metric}"
    if study.arms.design != "fractional":
        return
    of = columns(len(study.arms.factors), study.arms.resolution or RESOLUTION)
    resolution = achieved_resolution(of)
    told = f"resolution {resolution}" if resolution else "a full factorial"
    yield f"fractional design: {1 << max(of).bit_length()} of {1 << len(of)} combinations, {told}"
    groups = confounded(of, sorted(study.arms.factors))
    for group in groups[:CONFOUNDED_SHOWN]:
        yield f"confounded, only their sum can be estimated: {', '.join(group)}"
    if len(groups) > CONFOUNDED_SHOWN:
        yield f"... and {len(groups) - CONFOUNDED_SHOWN} more groups"


def _cost(cost: Cost) -> str:
    if not cost.device_seconds:
        return "Expected cost: unknown, because no similar trial is recorded yet"
    unknown = f", and {cost.num_unknown} trials unlike any recorded one" if cost.num_unknown else ""
    between = f" ({duration(cost.low)} to {duration(cost.high)})" if cost.high > cost.low else ""
    return f"Expected cost: {duration(cost.device_seconds)} of one device{between}{unknown}"
