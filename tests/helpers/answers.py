"""Answers of commands as JSON, held to their documented schemas."""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator

from tests.helpers.sources import ROOT


def checked_answer(command: str, text: str) -> Any:
    """Return what `ablate <command> --json` printed; raises ValidationError unless docs/schemas says that it may."""
    return held(command, json.loads(text))


def held(command: str, answer: Any) -> Any:
    """Return an answer, or a line of one; raises ValidationError as `checked_answer`."""
    schema = json.loads((ROOT / f"docs/schemas/{command}.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(answer)
    return answer
