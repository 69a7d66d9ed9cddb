"""A paper's table as a LaTeX float that fits the class `article`: a wide table is set in parts below each other.

Parts that do not fit one page go on in a further float of the same number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ablative.analysis.views.formats import TEXT_WIDTH
from ablative.analysis.views.formats import in_latex

_SIGNS = {"▲": r"\uparrow", "▼": r"\downarrow", "=": "=", "?": "?", "∅": r"\emptyset"}
_CHARACTER, _BETWEEN = 4.5, 6.0
"""Points of a character of \\footnotesize, bold ones included, and between two columns."""
_LINE, _AROUND, _CAPTION, _PAGE = 9.5, 30.0, 60.0, 550.0
"""Points of a line of \\footnotesize, of the rules and gaps of a part, of caption and notes, and of a page's text."""
_LONG_NAME = 30
"""Characters of an arm's name that are set on one line."""
_NAMES = 0.33
"""Share of the line that is left to longer ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of the table, behind the one of the arms."""

    group: str
    """The task above it; empty for none."""
    heading: str
    cells: tuple[tuple[str, str, bool], ...]
    """(Number, mark, bold), one an arm."""

    @property
    def width(self) -> float:
        """Points that it takes."""
        longest = max((len(number) + len(mark) for number, mark, _ in self.cells), default=0)
        return _CHARACTER * max(longest, len(self.heading)) + _BETWEEN


def latex(
    arms: Sequence[str],
    columns: Sequence[Column],
    *,
    controls: int | None,
    title: str,
    notes: Sequence[str],
    label: str,
) -> str:
    """Return the floats, one a page; `controls`: the index of the first control among the arms, None without one."""
    long = max(map(len, arms)) > _LONG_NAME
    names = _NAMES * TEXT_WIDTH if long else _CHARACTER * max(map(len, arms))
    first = f"p{{{_NAMES}\\linewidth}}" if long else "l"
    parts = [_part(arms, part, controls, first) for part in _parts(columns, TEXT_WIDTH - names)]
    lines_of_arms = sum(math.ceil(_CHARACTER * len(arm) / names) for arm in arms)
    height = _LINE * (lines_of_arms + 2) + _AROUND
    on_a_page = max(1, int((_PAGE - _CAPTION) // height))
    pages = [parts[start : start + on_a_page] for start in range(0, len(parts), on_a_page)]
    ends = [
        *[[]] * (len(pages) - 1),
        ["\\par\\smallskip\\raggedright\\scriptsize", *(f"{_note(note)}." for note in notes)],
    ]
    captions = [
        f"\\caption{{{_text(title)}.}}\\label{{tab:{label}}}",
        *["\\addtocounter{table}{-1}\\caption{Continued.}"] * (len(pages) - 1),
    ]
    lines = ["% needs the package booktabs"]
    for page, caption, end in zip(pages, captions, ends, strict=True):
        lines += ["\\begin{table}[tbp]", "\\centering\\footnotesize\\setlength{\\tabcolsep}{3pt}", caption]
        lines += ["\n\\par\\medskip\n".join(page), *end, "\\end{table}"]
    return "\n".join([*lines, ""])


def _parts(columns: Sequence[Column], room: float) -> list[list[Column]]:
    """Return the columns in as many parts as fit below each other; a group goes together where it fits."""
    groups: list[list[Column]] = []
    for column in columns:
        if groups and column.group and groups[-1][0].group == column.group:
            groups[-1].append(column)
        else:
            groups.append([column])
    parts: list[list[Column]] = [[]]
    for group in groups:
        whole = sum(column.width for column in group)
        if parts[-1] and _width(parts[-1]) + whole > room:
            parts.append([])
        for column in group:
            if parts[-1] and _width(parts[-1]) + column.width > room:
                parts.append([])
            parts[-1].append(column)
    return parts


def _width(columns: Sequence[Column]) -> float:
    return sum(column.width for column in columns)


def _part(arms: Sequence[str], columns: Sequence[Column], controls: int | None, first: str) -> str:
    above, rules = _above(columns)
    lines = [f"\\begin{{tabular}}{{@{{}}{first}{'r' * len(columns)}@{{}}}}", "\\toprule"]
    if rules:
        lines += [" & ".join(["", *above]) + r" \\", "".join(rules)]
    lines += [" & ".join(["arm", *(_text(column.heading) for column in columns)]) + r" \\", "\\midrule"]
    for row, arm in enumerate(arms):
        if row and row == controls:
            lines.append("\\midrule")
        lines.append(" & ".join([_name(arm), *(_cell(*column.cells[row]) for column in columns)]) + r" \\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}"])


def _above(columns: Sequence[Column]) -> tuple[list[str], list[str]]:
    """Return the line of groups above the headings, and the rules below it; no rules where nothing has a group."""
    above: list[str] = []
    rules: list[str] = []
    start = 0
    while start < len(columns):
        end = start + 1
        while end < len(columns) and columns[end].group == columns[start].group:
            end += 1
        group = columns[start].group
        above.append(f"\\multicolumn{{{end - start}}}{{c}}{{{_text(group)}}}")
        rules += [f"\\cmidrule(lr){{{start + 2}-{end + 1}}}"] if group else []
        start = end
    return above, rules


def _cell(number: str, mark: str, bold: bool) -> str:
    text = "--" if number == "-" else _text(number).replace("-", "$-$").replace("+", "$+$")
    shown = f"\\textbf{{{text}}}" if bold else text
    return f"{shown}{_mark(mark)}"


def _mark(mark: str) -> str:
    signs = " ".join(_SIGNS.get(sign, in_latex(sign)) for sign in mark)
    return f"$^{{{signs}}}$" if mark else ""


def _name(arm: str) -> str:
    text = in_latex(arm)
    return text if len(arm) <= _LONG_NAME else "\\raggedright " + text.replace("\\_", "\\_\\allowbreak{}")


def _note(note: str) -> str:
    """Return a note whose marks are those of the cells; each is said behind a semicolon, or first."""
    parts = [part.partition(" ") for part in note.split("; ")]
    return "; ".join(
        f"{_mark(first)} {_text(rest)}" if first and set(first) <= set(_SIGNS) else _text(first + gap + rest)
        for first, gap, rest in parts
    )


def _text(text: str) -> str:
    return in_latex(text).replace("±", r"$\pm$")
