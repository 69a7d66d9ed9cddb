"""How the documents read: sentences, their length in words, and how many are passive.

    python benchmarks/prose.py                   # docs/*.md and the pages at the top, a line each
    python benchmarks/prose.py docs/method.md    # one page, with its longest sentences
    python benchmarks/prose.py --quick           # only the sum, a second

Code, tables, headings, links' targets and quoted output are no prose. A sentence ends at a full stop, colon, question
or exclamation mark before a blank, or with its paragraph or list item. Passive: a form of "be" and a participle behind
it, at most one adverb between them; a rough count, good for comparing. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
LONG = 25
"""Words from which on a sentence is called long."""
_FENCE = re.compile(r"^(\s*)```.*?^\s*```", re.MULTILINE | re.DOTALL)
_DROPPED = re.compile(r"^\s*(\||#|<|\$\$|!\[).*$", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_CODE = re.compile(r"`[^`]*`")
_ITEM = re.compile(r"^\s*([-*]|\d+\.)\s+", re.MULTILINE)
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
    """What one page, or several, read like."""

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


def pages() -> list[Path]:
    """Return the documents that people read; the log is a notebook."""
    top = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
    return [*top, *sorted(path for path in (ROOT / "docs").glob("*.md") if path.stem != "log")]


def together(readings: Iterable[Reading]) -> Reading:
    """Return the sentences of several pages as one."""
    return Reading(sentences=tuple(sentence for reading in readings for sentence in reading.sentences))


def main() -> None:
    """Print the table, the longest sentences of a page that was named, and the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", type=Path)
    parser.add_argument("--quick", action="store_true", help="the sum only")
    asked = parser.parse_args()
    readings = {path: prose_of(path.read_text(encoding="utf-8")) for path in asked.pages or pages()}
    if not asked.quick:
        print(f"{'page':28} sentences  median  90 %  over {LONG}  passive")
        for path, reading in readings.items():
            row = reading.figures()
            print(
                f"{path.name:28} {row['sentences']:9,.0f} {row['median']:7.0f} {row['p90']:5.0f}"
                f" {row['long']:8.0%} {row['passive']:8.0%}"
            )
    if asked.pages:
        for sentence in sorted(together(readings.values()).sentences, key=lambda one: -len(one.split()))[:20]:
            print(f"{len(sentence.split()):4} {sentence}")
    print(json.dumps(together(readings.values()).figures()))


if __name__ == "__main__":
    main()
