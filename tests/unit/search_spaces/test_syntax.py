"""Text that is no YAML is answered in words that say what to type."""

from __future__ import annotations

import pytest

from ablative.search_spaces.document import read_value
from ablative.search_spaces.errors import StudyError

SAID = {
    "a: 1\nquestion: Why: when?\n": (2, "a colon inside a text", 'in quotes: question: "Why: when?"'),
    "a: [1, 2\nb: 3\n": (1, "[ that is not closed", "closed by ]"),
    "a: {b: 1\nc: 2\n": (1, "{ that is not closed", "closed by }"),
    "a: 'x\nb: 1\n": (1, "a quote that is not closed", "closed"),
    "lr: > 0\n": (1, "> 0, where > starts a text of several lines", 'in quotes: "> 0"'),
    "a:\n\tb: 1\n": (2, "a tab", "spaces"),
    "a: 1\n b: 2\n": (2, "a key in a place where YAML allows none", "indented like its neighbours"),
    "a\nb: 1\n": (2, "a key in a place where YAML allows none", "the line above"),
    "- a\nb: 1\n": (2, "a line that does not fit the lines above", "indented"),
    "a: - b\n": (1, "a list entry", "on a line of its own"),
    "a: @x\n": (1, "@ at the beginning", "in quotes"),
    "a: [1,,2]\n": (1, "','", "the node content"),
    "a: 1\n---\nb: 2\n": (2, "a second document", "one study"),
    "a: 1\nb: \x01\n": (2, "the control character U+0001", "UTF-8"),
}


@pytest.mark.parametrize("text", SAID)
def test_text_that_is_no_yaml_is_answered_with_its_line_and_what_to_type(text: str) -> None:
    line, found, expected = SAID[text]
    with pytest.raises(StudyError) as caught:
        read_value(text, "study.yaml")
    (mistake,) = caught.value.mistakes
    assert mistake.line == line
    assert found in mistake.found and expected in mistake.expected
    assert "found found" not in str(mistake)
