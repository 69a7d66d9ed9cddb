"""Debian's Slurm on the machines of a test: a controller, and a daemon on each machine that computes."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Sequence

from tests.helpers.machines import Machine
from tests.helpers.machines import Machines

_SEARCH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_START_S = 60
_SETTINGS = """
ClusterName=test
SlurmctldHost={controller}({address})
AuthType=auth/munge
AuthInfo=socket={socket}
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SchedulerType=sched/builtin
SelectType=select/cons_tres
ReturnToService=2
{nodes}
PartitionName=all Nodes={names} Default=YES State=UP MaxTime=INFINITE
"""


def missing() -> str | None:
    """Return why there is no Slurm here, or None."""
    if os.geteuid() != 0:
        return "Slurm's daemons want to be root"
    absent = [name for name in ("munged", "slurmctld", "slurmd", "sbatch") if not shutil.which(name, path=_SEARCH)]
    return f"needs {', '.join(absent)} (Debian packages munge, slurmctld, slurmd, slurm-client)" if absent else None


def started(machines: Machines, controller: Machine, nodes: Sequence[Machine], *, cpus: int) -> dict[str, str]:
    """Start Slurm; return the variables with which its commands find it."""
    folder = machines.folder / "slurm"
    folder.mkdir(mode=0o755)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    socket = f"{tempfile.gettempdir()}/munge.socket"  # a place of which each machine has its own
    lines = [
        f"NodeName={node.name} NodeAddr={node.address} CPUs={cpus} RealMemory=1000 State=UNKNOWN" for node in nodes
    ]
    settings = folder / "slurm.conf"
    settings.write_text(
        _SETTINGS.format(
            controller=controller.name,
            address=controller.address,
            socket=socket,
            folder=folder,
            nodes="\n".join(lines),
            names=",".join(node.name for node in nodes),
        )
    )
    variables = {"SLURM_CONF": str(settings)}
    for machine in dict.fromkeys((controller, *nodes)):
        own = machine.folder / "munge"
        own.mkdir(mode=0o700)
        machine.run(
            *("munged", "--force", f"--key-file={key}", f"--socket={socket}", f"--pid-file={own}/pid"),
            *(f"--log-file={own}/log", f"--seed-file={own}/seed"),
        )
    controller.run("slurmctld", **variables)
    for node in nodes:
        node.run("slurmd", "-N", node.name, **variables)
    until = time.monotonic() + _START_S
    while "idle" not in (told := controller.run("sinfo", "--noheader", **variables)):
        assert time.monotonic() < until, told
        time.sleep(0.2)
    return variables
