"""How the project reads: pages stay as short-winded as they are, and phrases that a reader stumbles over stay out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from prose import ROOMS as PACKAGE
from prose import pages
from prose import read
from prose import together
from tests.helpers.sources import ROOMS
from tests.helpers.sources import ROOT
from tests.helpers.sources import files
from tests.helpers.sources import tree

AT_MOST = {"median": 12.0, "p90": 21.0, "long": 0.026, "passive": 0.118}
"""Of all pages together: words a sentence, shares of sentences over 25 words, and of passive ones. Never raise it."""
DOCSTRINGS = {"median": 11.0, "p90": 19.0, "long": 0.0155, "passive": 0.145}
"""The same of all docstrings."""

BANNED = {
    r"that (is|are) none\b": "name what is wrong with it: unknown, not a study",
    r"\b(is|are|was|were) there already\b": "already exists",
    r"cannot be told\b": "is unknown, or: cannot be distinguished",
    r"\bput right\b": "fix, or: correct",
    r"to both sides\b": "in both directions",
    r"where nothing is true\b": "without any true effect",
    r"\bfound in error\b": "a false positive",
    r"\bin the end\b": "finally, or: at the end",
    r"of one's own\b": "of your own",
    r"\bcame to grief\b": "failed",
    r"\bfor ever\b": "forever",
    r"\bin vain\b": "say what happens: forever, without effect",
    r"one behind another\b": "one after another",
    r"\bthe more so\b": "say what grows with what",
    r"\bwhat owes\b": "the trials still owed",
    r"\bthe same command goes on\b": "run the same command again to continue",
    r"\b[Mm]ake room there\b": "free some space there",
    r"(?<!there) is no (mapping|text|number|condition|folder|study|image)\b": "is not a ...",
    r"\banew\b": "again",
    r"\bof no use\b": "unusable",
    r"\bat pleasure\b": "as you like",
}
"""What reads as if translated, as regular expressions -> what to write; a blank also matches a line break."""
WIDEST = 106
"""Columns of a line of prose in Markdown: it breaks at about 100, and changes of it stay readable."""
_FENCED = re.compile(r"^( *)```.*?^\1```", re.MULTILINE | re.DOTALL)
_NO_PROSE = re.compile(r" *(\||#|<|!\[|\$\$|>)|    ")
_MARKER = re.compile(r"^ *(?:[-*+]|\d+\.) +|^ +")
_UNBREAKABLE = re.compile(r"`[^`]*`|\$[^$]*\$|\]\([^)]*\)")


@cache
def _texts() -> tuple[tuple[Path, int, str], ...]:
    """Return file, line and text of each page, and of each string in the rooms: docstrings, messages, help."""
    found = [(page.relative_to(ROOT), 1, page.read_text(encoding="utf-8")) for page in pages()]
    for path in files():
        if path.suffix == ".py" and path.parts[0] in (*ROOMS, "src"):
            found.extend((path, line, text) for line, text in _strings(tree(path)))
    return tuple(found)


def _strings(parsed: ast.Module) -> Iterator[tuple[int, str]]:
    inside = {id(part) for node in ast.walk(parsed) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(parsed):
        if isinstance(node, ast.JoinedStr):
            yield (
                node.lineno,
                "".join(str(part.value) if isinstance(part, ast.Constant) else "_" for part in node.values),
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.lineno, node.value


@pytest.mark.parametrize(
    ("paths", "most"),
    [(pages(), AT_MOST), ([ROOT / room for room in PACKAGE], DOCSTRINGS)],
    ids=["pages", "docstrings"],
)
def test_sentences_grow_no_longer_and_no_more_of_them_are_passive(paths: list[Path], most: dict[str, float]) -> None:
    figures = together(map(read, paths)).figures()
    worse = {name: round(figures[name], 3) for name, limit in most.items() if figures[name] > limit}
    assert not worse, f"split or turn sentences (python benchmarks/prose.py PAGE_OR_FOLDER lists them); at most {most}"


@pytest.mark.parametrize("phrase", BANNED)
def test_no_page_docstring_or_message_has_a_phrase_that_reads_as_translated(phrase: str) -> None:
    pattern = re.compile(phrase.replace(" ", r"\s+"))
    met = [
        f"{path}:{line + text.count(chr(10), 0, match.start())}: {' '.join(match[0].split())}"
        for path, line, text in _texts()
        for match in pattern.finditer(text)
    ]
    assert not met, f"write instead: {BANNED[phrase]}\n" + "\n".join(met)


def _wide(markdown: str) -> list[str]:
    """Return the lines of prose that are too wide and could have been broken before."""
    lines = _FENCED.sub("", markdown).splitlines()
    wide = [line for line in lines if len(line) > WIDEST and not _NO_PROSE.match(line)]
    return [
        line
        for line in wide
        if " " in _UNBREAKABLE.sub(lambda span: "x" * len(span[0]), _MARKER.sub("", line))[:WIDEST]
    ]


@pytest.mark.parametrize("page", [str(path) for path in files() if path.suffix == ".md"])
def test_lines_of_prose_are_no_wider_than_an_editor(page: str) -> None:
    assert not _wide((ROOT / page).read_text(encoding="utf-8")), f"break these lines at about 100 columns: {page}"


def test_a_wide_line_counts_in_prose_and_not_in_code_tables_or_spans() -> None:
    wide = "word " * 30

    assert _wide(f"short\n\n{wide}\n- {wide}\n") == [wide, f"- {wide}"]
    assert not _wide(f"```\n{wide}\n```\n| {wide} |\n# {wide}\n- `{wide.strip()}`\n")
