"""The command line as one script, for `ray submit cluster/local.yaml orchestrator/ablate.py -- run quickstart`.

`ray submit` copies this file alone to the head node and runs it there, so it works from any folder; the packages
must be installed on that machine. It joins the cluster that runs there, and starts a private one where none does.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    """Run `ablate` with the address of the running cluster as the default."""
    _leave_own_folder()
    os.environ.setdefault("ABLATE_ADDRESS", "any")
    from orchestrator.cli import main as ablate

    ablate()


def _leave_own_folder() -> None:
    """Take this script's folder off the import path, here and so in Ray's workers.

    In a checkout it is `orchestrator/`, whose `queue.py` would hide the standard library's; elsewhere it is a home
    folder with anything in it. A checkout's root takes its place.
    """
    folder = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != folder]
    if (folder / "cli.py").is_file() and folder.name == "orchestrator":
        sys.path.insert(0, str(folder.parent))


if __name__ == "__main__":
    main()
