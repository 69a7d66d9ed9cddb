"""Writes the gallery of shipped studies from the records in docs/results: question, design, answer, tables, pictures.

    python docs/make_gallery.py          # docs/reference/gallery.md

`make docs` does so before it builds the site. The page is never edited, and git ignores it.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path

import yaml

from ablative.analysis.showing.figures import Figure
from ablative.analysis.showing.figures.drawing import svg
from ablative.analysis.showing.grids import Grid
from ablative.analysis.showing.page import Page
from ablative.analysis.showing.page import study_page
from ablative.analysis.showing.tables import markdown_grid
from ablative.analysis.views.formats import in_markdown
from ablative.analysis.views.results import Results
from ablative.analysis.views.results import load
from ablative.orchestrator.durations import duration
from ablative.search_spaces.shipped import find_study
from ablative.search_spaces.shipped import shipped

DOCS = Path(__file__).resolve().parent
RECORDS = DOCS / "results"
PICTURES = ("effects", "low_shot")
"""Figures that a study shows, if its records allow them."""
COLUMNS = ("claim", "arm", "verdict", "arms", "difference", "95 % interval", "p corrected")
"""Columns of a table, in this order: more would not fit beside the menu."""
SENTENCES = 6
"""Sentences of an answer in sight; the others unfold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One run of a study, from its records."""

    name: str
    """Name of its folder; the study in it may have another name."""
    results: Results
    page: Page


def gallery() -> str:
    """Return the page: a line for each study with records, a section for each, then the shipped ones without."""
    kept = [_kept(folder) for folder in _folders()]
    parts = [
        "# Gallery",
        "Every shipped study that we ran, with its answer. This page is made from the records beside the "
        "documents, by the code that answers `ablate run` and `ablate report`. [Results](../results.md) discusses the "
        "same studies, and says how their settings were chosen.",
        _contents(kept),
        *(part for one in kept for part in _section(one)),
        "## Without records",
        "These shipped studies need data sets that the package cannot hold. Run them on your own copies.",
        _without({one.name for one in kept}),
    ]
    return "\n\n".join(parts).replace("\\<", "&lt;") + "\n"  # the site's Markdown does not know this escape


def _folders() -> list[Path]:
    """Return the folders of records: the quickstart, other shipped studies, then further runs."""
    names = shipped()
    return sorted(RECORDS.iterdir(), key=lambda one: (one.name != "quickstart", one.name not in names, one.name))


def _kept(folder: Path) -> Kept:
    results = load(str(folder))
    return Kept(name=folder.name, results=results, page=study_page(results, results.studies[0]))


def _contents(kept: Sequence[Kept]) -> str:
    rows = ["| records | question | verdicts |", "| --- | --- | --- |"]
    for one in kept:
        question = in_markdown(one.page.question)
        rows.append(f"| [{in_markdown(one.name)}](#{one.name}) | {question} | {_verdicts(one.page)} |")
    return "\n".join(rows)


def _verdicts(page: Page) -> str:
    """Return how many claims have each verdict; of a study without claims, how many primary comparisons."""
    claims = _claims(page)
    grids = claims or page.grids[:1]
    counts = Counter(row[grid.columns.index("verdict")] for grid in grids for row in grid.rows)
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if verdict not in ("reference", "-"))
    return f"{'claims' if claims else 'arms'}: {told}"


def _claims(page: Page) -> list[Grid]:
    return [grid for grid in page.grids if grid.columns[0] == "claim"]


def _section(one: Kept) -> Iterator[str]:
    page = one.page
    yield f"## {in_markdown(one.name)}"
    yield f"**{in_markdown(page.question)}**"
    yield f"*Design.* {_design(one)}"
    yield "\n".join(f"- {in_markdown(sentence)}" for sentence in page.answer[:SENTENCES])
    if rest := page.answer[SENTENCES:]:
        items = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in rest)
        yield f"<details><summary>{_count(len(rest), 'more sentence')}</summary><ul>{items}</ul></details>"
    for grid in [*_claims(page), *(grid for grid in page.grids if "primary comparison" in grid.title)]:
        yield f"*{in_markdown(grid.title)}*"
        yield markdown_grid(_narrow(grid))
    yield from (_picture(one.name, figure) for figure in page.figures if figure.name in PICTURES)
    yield f"```sh\nablate report {page.study} --store docs/results/{one.name}   # the whole report\n```"


def _narrow(grid: Grid) -> Grid:
    """Return the columns that fit, and the rows that have a verdict."""
    places = [grid.columns.index(name) for name in COLUMNS if name in grid.columns]
    return replace(
        grid,
        columns=tuple(grid.columns[place] for place in places),
        rows=tuple(tuple(row[place] for place in places) for row in grid.rows if row[places[1]] != "-"),
    )


def _design(one: Kept) -> str:
    """Return the size of a study in a line: arms, conditions, seeds, search, trials and their time."""
    row, plan = one.results.studies_table.to_pylist()[0], one.results.plan(one.page.study)
    searched = f"{plan.search.trials} settings a search" if plan.search.space else "nothing searched"
    size = f"{_count(row['arms'], 'arm')} in {_count(row['conditions'], 'condition')}"
    seeds = _count(len(row["confirm_seeds"]), "confirm seed")
    cost = f"{_count(row['completed'], 'trial')} in {duration(row['device_seconds'])} of device time"
    headline = f"Headline: {in_markdown(row['headline'])}, against the arm {in_markdown(row['reference'])}."
    return f"{size}, {seeds}, {searched}; {cost}. {headline}"


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + "s" * (number != 1)


def _picture(name: str, figure: Figure) -> str:
    """Return a figure as SVG in the page, whose text colour it takes."""
    drawn = svg(figure.specification, f"{name}-{figure.name}").replace(
        "<svg ", '<svg style="max-width:100%;height:auto" ', 1
    )
    return f"<figure>{' '.join(drawn.splitlines())}<figcaption>{html.escape(figure.caption)}</figcaption></figure>"


def _without(kept: set[str]) -> str:
    """Return the shipped studies that have no records, with their questions."""
    rows = ["| study | question |", "| --- | --- |"]
    for name in shipped():
        if name not in kept:
            stated = yaml.safe_load(Path(find_study(name)).read_text(encoding="utf-8"))
            rows.append(f"| `{name}` | {in_markdown(stated['question'])} |")
    return "\n".join(rows)


def main() -> None:
    """Write the page."""
    (DOCS / "reference").mkdir(exist_ok=True)
    (DOCS / "reference" / "gallery.md").write_text(gallery(), encoding="utf-8")


if __name__ == "__main__":
    main()
