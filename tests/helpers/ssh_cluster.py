"""`cluster/ssh.yaml` for machines of a test: the shipped file with addresses, login and folders filled in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ablative.trainables.cache import cache_folder
from tests.helpers.loopback_machine import login_name
from tests.helpers.loopback_machine import prepare_home
from tests.helpers.machines import Machines
from tests.helpers.sources import ROOT


def written(network: Machines, nodes: Sequence[str]) -> Path:
    """Lay out a login on each node, the head first; return the file that starts Ray on them, with one CPU each."""
    for name in nodes:
        prepare_home(network[name].folder / "home")
    changes = {f"192.168.0.1{place}": network[name].address for place, name in enumerate(nodes)}
    changes |= {"ssh_user: me": f"ssh_user: {login_name()}", "~/.ssh/id_ed25519": str(network.folder / "login")}
    changes["/shared/ablate/cache"] = str(cache_folder())
    changes["/shared/ablate"] = str(network.folder / "shared")
    changes |= {f"ray start {how}": f"ray start --num-cpus=1 {how}" for how in ("--head", "--address")}
    file = network.folder / "cluster.yaml"
    file.write_text(edited(ROOT / "cluster" / "ssh.yaml", changes))
    return file


def edited(path: Path, changes: dict[str, str]) -> str:
    """Return a file's text with each old text, which must be there, replaced."""
    text = path.read_text()
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text
