"""Answers of commands as JSON, held to their documented schemas."""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator

from tests.helpers.sources import ROOT


def checked_answer(command: str, text: str) -> dict[str, Any]:
    """Return what `ablate <command> --json` printed; raises ValidationError unless docs/schemas says that it may."""
    schema = json.loads((ROOT / f"docs/schemas/{command}.json").read_text(encoding="utf-8"))
    answer = json.loads(text)
    Draft202012Validator(schema).validate(answer)
    return dict(answer)
