"""What open_clip says while it makes a model."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def weights_follow() -> Iterator[None]:
    """Keep open_clip from warning that a model has random weights: its checkpoint is loaded by ourselves."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
