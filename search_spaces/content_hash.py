"""The hash of contents: of what a trial computes, and of what seeds a draw."""

from __future__ import annotations

import hashlib
import json
from typing import Any

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def content_hash(content: Any) -> str:
    """Return the first 20 hex digits of the SHA-256 of `content` as JSON with sorted keys."""
    return hashlib.sha256(_ENCODER.encode(content).encode()).hexdigest()[:20]
