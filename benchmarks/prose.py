"""How pages and docstrings read: sentences, their length in words, and how many are passive.

    python benchmarks/prose.py                   # each page, then the docstrings of each room
    python benchmarks/prose.py docs/method.md    # one page, with its longest sentences
    python benchmarks/prose.py trainables/terms  # the docstrings of a folder or of a Python file, in the same way
    python benchmarks/prose.py --root FOLDER     # another checkout, such as one of an earlier commit
    python benchmarks/prose.py --quick           # only the two sums, some seconds

Code, tables, headings, links' targets and quoted output are not prose. A sentence ends at a full stop, colon, question
or exclamation mark before a blank, or with its paragraph or list item. A docstring's code, and its class names under
`Raises:`, are not prose either. Passive: a form of "be" followed by a participle, at most one adverb between them; a
rough count, good for comparing. The last line is one JSON object: pages, then docstrings.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("search_spaces", "orchestrator", "trainables", "cluster", "analysis", "src/ablative")
LONG = 25
"""A sentence with more words is long."""
_FENCE = re.compile(r"^(\s*)```.*?^\s*```", re.MULTILINE | re.DOTALL)
_DROPPED = re.compile(r"^\s*(\||#|<|\$\$|!\[).*$", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_CODE = re.compile(r"`[^`]*`")
_ITEM = re.compile(r"^\s*([-*]|\d+\.)\s+", re.MULTILINE)
_RAISED = re.compile(r"^ +[A-Za-z_.]+: ", re.MULTILINE)
_HEAD = re.compile(r"^(Raises|Dimensions):", re.MULTILINE)
_CODE_LINE = re.compile(r"^    .*$", re.MULTILINE)
_END = re.compile(r"(?<=[.:;?!])[\"')*_]*\s+(?=[\"'(*_`A-Z0-9\[])")
_IRREGULAR = (
    "made|given|taken|read|run|kept|held|found|left|shown|known|said|told|seen|drawn|built|written|chosen|cut|put|set"
    "|sent|lost|meant|done|begun|gone|paid|split|spent|thrown|won|worn|bound|brought|caught|fed|felt|hit|laid|led"
)
_PASSIVE = re.compile(
    rf"\b(?:is|are|was|were|be|been|being)\s+(?:not\s+|never\s+|\w+ly\s+)?(?:\w+ed|{_IRREGULAR})\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The sentences of one or several pages."""

    sentences: tuple[str, ...]

    def figures(self) -> dict[str, float]:
        """Return the number of sentences, words a sentence, and the shares of long and of passive ones."""
        lengths = np.array([len(sentence.split()) for sentence in self.sentences] or [0])
        passive = sum(bool(_PASSIVE.search(sentence)) for sentence in self.sentences)
        return {
            "sentences": len(self.sentences),
            "median": float(np.median(lengths)),
            "p90": float(np.percentile(lengths, 90)),
            "long": float(np.mean(lengths > LONG)),
            "passive": passive / max(1, len(self.sentences)),
        }


def prose_of(markdown: str) -> Reading:
    """Return the sentences of a page."""
    text = _DROPPED.sub("", _FENCE.sub("\n\n", markdown))
    text = _ITEM.sub("\n\n", _LINK.sub(r"\1", _CODE.sub("Code", text)))
    paragraphs = (" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text))
    found = (sentence for paragraph in paragraphs for sentence in _END.split(paragraph))
    return Reading(sentences=tuple(sentence for sentence in found if re.search(r"[A-Za-z]{2}", sentence)))


def docstrings_of(source: str) -> Reading:
    """Return the sentences of a Python file's docstrings, those under its settings and constants among them."""
    written = [getattr(node, "body", None) for node in ast.walk(ast.parse(source))]
    bodies = [body for body in written if isinstance(body, list)]
    found: list[str] = []
    for statement in (statement for body in bodies for statement in body):
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            if isinstance(text := statement.value.value, str):
                found.extend(
                    prose_of(_HEAD.sub("", _CODE_LINE.sub("", _RAISED.sub("\n\n", inspect.cleandoc(text))))).sentences
                )
    return Reading(sentences=tuple(found))


def pages(root: Path = ROOT) -> list[Path]:
    """Return the documents that people read; the log is a notebook."""
    top = [root / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
    return [*top, *sorted(path for path in (root / "docs").glob("*.md") if path.stem != "log")]


def sources(folder: Path) -> list[Path]:
    """Return the Python files of a folder; what a link leads to belongs to its own folder."""
    found = (folder.rglob("*.py") if folder.is_dir() else [folder]) if folder.exists() else []
    return sorted(
        path for path in found if not any((folder / up).is_symlink() for up in path.relative_to(folder).parents)
    )


def read(path: Path) -> Reading:
    """Return the sentences of a page, of a Python file's docstrings, or of those of all Python files in a folder."""
    if path.suffix == ".md":
        return prose_of(path.read_text(encoding="utf-8"))
    return together(docstrings_of(source.read_text(encoding="utf-8")) for source in sources(path))


def together(readings: Iterable[Reading]) -> Reading:
    """Return the sentences of several readings as one."""
    return Reading(sentences=tuple(sentence for reading in readings for sentence in reading.sentences))


def main() -> None:
    """Print a line for each page and room, the longest sentences of what was named, and the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("named", nargs="*", type=Path, metavar="PAGE_OR_CODE")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout to read, instead of this one")
    parser.add_argument("--quick", action="store_true", help="the sums only")
    asked = parser.parse_args()
    chosen = asked.named or [*pages(asked.root), *(asked.root / room for room in ROOMS)]
    readings = {path: read(path) for path in chosen}
    sums = {
        "pages": together(reading for path, reading in readings.items() if path.suffix == ".md"),
        "docstrings": together(reading for path, reading in readings.items() if path.suffix != ".md"),
    }
    if not asked.quick:
        print(f"{'':28} sentences  median  90 %  over {LONG}  passive")
        for name, reading in [*((path.name, one) for path, one in readings.items()), *sums.items()]:
            row = reading.figures()
            print(
                f"{name:28} {row['sentences']:9,.0f} {row['median']:7.0f} {row['p90']:5.0f}"
                f" {row['long']:8.0%} {row['passive']:8.0%}"
            )
    if asked.named:
        for sentence in sorted(together(readings.values()).sentences, key=lambda one: -len(one.split()))[:20]:
            print(f"{len(sentence.split()):4} {sentence}")
    print(json.dumps({name: reading.figures() for name, reading in sums.items() if reading.sentences}))


if __name__ == "__main__":
    main()
