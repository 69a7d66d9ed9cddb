"""The command line as one script, for `ray submit cluster/local.yaml orchestrator/ablate.py -- run quickstart`.

`ray submit` copies this file alone to the head node and runs it there, so it works from any folder; the package must
be installed on that machine. It joins the running cluster there, or starts a private one.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    """Run `ablate` with the address of the running cluster as the default."""
    _leave_own_folder()
    os.environ.setdefault("ABLATE_ADDRESS", "any")
    from ablative.orchestrator.commands.cli import main as ablate

    ablate()


def _leave_own_folder() -> None:
    """Take this script's folder off the import path, here and thereby in Ray's workers.

    In a checkout it is `orchestrator/`, whose modules are not top-level; elsewhere it is a home folder with arbitrary
    files. The checkout's package replaces it.
    """
    folder = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != folder]
    for root in (folder.parent / "src", folder.parents[1]):
        if (root / "ablative" / "orchestrator" / Path(__file__).name).is_file():
            sys.path.insert(0, str(root))
            break


if __name__ == "__main__":
    main()
