"""Ray's own messages, such as the last lines of a raylet: they go to a file instead of the terminal."""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray._private import worker as ray_worker


class Messages:
    """The file for Ray's messages; the first message creates it, and it stays."""

    def __init__(self) -> None:
        self.path = ""
        """Empty before the first message."""
        self._writing = threading.Lock()

    def keep(self, said: dict[str, Any], ignore_prefix: bool = False) -> None:
        """Write a message to the file; replaces Ray's `print_to_stdstream`. The first message names the file."""
        with self._writing:
            if not self.path:
                with tempfile.NamedTemporaryFile(prefix="ablate-ray-", suffix=".log", delete=False) as made:
                    self.path = made.name
                print(f"Ray's own messages go to {self.path}", file=sys.stderr)
            with open(self.path, "a", encoding="utf-8") as file:
                file.writelines(f"({said.get('pid')}) {line}\n" for line in said.get("lines", ()))


@contextmanager
def kept() -> Iterator[Messages]:
    """Redirect Ray's messages to the driver; Ray has a setting only for the output of workers."""
    messages, usual = Messages(), getattr(ray_worker, "print_to_stdstream", None)
    if usual is None:  # another release: messages go to the terminal
        yield messages
        return
    ray_worker.print_to_stdstream = messages.keep
    try:
        yield messages
    finally:
        ray_worker.print_to_stdstream = usual
