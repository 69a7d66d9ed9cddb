"""What Ray says of its own accord, such as the last words of a raylet: kept in a file instead of on the terminal."""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray._private import worker as ray_worker


class Messages:
    """The file that Ray's messages go to; it is made with the first one, and stays."""

    def __init__(self) -> None:
        self.path = ""
        """Empty while there was no message."""
        self._writing = threading.Lock()

    def keep(self, said: dict[str, Any], ignore_prefix: bool = False) -> None:
        """Write a message down; stands in for Ray's `print_to_stdstream`. The first one names the file."""
        with self._writing:
            if not self.path:
                with tempfile.NamedTemporaryFile(prefix="ablate-ray-", suffix=".log", delete=False) as made:
                    self.path = made.name
                print(f"Ray's own messages go to {self.path}", file=sys.stderr)
            with open(self.path, "a", encoding="utf-8") as file:
                file.writelines(f"({said.get('pid')}) {line}\n" for line in said.get("lines", ()))


@contextmanager
def kept() -> Iterator[Messages]:
    """Keep Ray's messages to the driver; Ray has no setting for those that are no output of workers."""
    messages, usual = Messages(), getattr(ray_worker, "print_to_stdstream", None)
    if usual is None:  # another release: they are on the terminal again
        yield messages
        return
    ray_worker.print_to_stdstream = messages.keep
    try:
        yield messages
    finally:
        ray_worker.print_to_stdstream = usual
