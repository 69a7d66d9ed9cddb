"""Several machines made of Linux namespaces on this one, joined by a bridge, for tests that need a real cluster.

Each has its own network with one address, processes, mounts, host name, home folder, `/tmp` and `/dev/shm`, and an
sshd. As on Debian, a machine's own name resolves to 127.0.1.1. All see the same files elsewhere, as if over NFS.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.loopback_machine import missing
from tests.helpers.loopback_machine import namespaces
from tests.helpers.sources import IMPORT_PATH

__all__ = ["Machine", "Machines", "missing", "started"]

_ROOT = Path(__file__).resolve().parents[2]
_OWN = ("--pid", "--net", "--mount", "--uts", "--ipc")
_START_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A running machine; commands are typed on it by somebody whose home is there."""

    name: str
    address: str
    folder: Path
    pid: int
    """Of the machine's first process, as seen from outside."""

    def run(self, *command: str, timeout_s: float = 120, **variables: str) -> str:
        """Run a command to its end and return its output, including standard error; it must succeed."""
        finished = subprocess.run(
            self._entered(command),
            cwd=_ROOT,
            env=self._environment(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert finished.returncode == 0, f"{self.name}: {command}: {finished.stdout}"
        return finished.stdout

    def begin(self, *command: str, said: Path, **variables: str) -> subprocess.Popen[bytes]:
        """Start a command whose output goes into a file; it ends with the machine at the latest."""
        with said.open("wb") as file:
            return subprocess.Popen(
                self._entered(command),
                cwd=_ROOT,
                env=self._environment(variables),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def processes(self) -> dict[int, str]:
        """Return process id, as seen from outside -> command line, of all that runs here."""
        space = os.readlink(f"/proc/{self.pid}/ns/pid")
        found = {}
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and os.readlink(entry / "ns" / "pid") == space:
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            except OSError:  # it has ended
                continue
        return {pid: title for pid, title in found.items() if title}

    def _entered(self, command: Sequence[str]) -> list[str]:
        enter = ["nsenter", f"--target={self.pid}", *_OWN, f"--wd={_ROOT}"]
        if os.geteuid() != 0:
            enter += ["--user", "--preserve-credentials"]
        return [*enter, *command]

    def _environment(self, variables: dict[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "ABLATE_"))}
        path = f"{sysconfig.get_path('scripts')}:{kept['PATH']}:/usr/sbin:/sbin"
        own = {"HOME": str(self.folder / "home"), "PATH": path, "PYTHONPATH": IMPORT_PATH}
        return {**kept, **own, **variables}


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """Machines that reach each other."""

    folder: Path
    """Its `login` is the private key that every machine's sshd lets in."""
    switch: int
    """Process id of the bridge's first process."""
    each: dict[str, Machine]

    def __getitem__(self, name: str) -> Machine:
        return self.each[name]

    def cut(self, name: str, *, off: bool = True) -> None:
        """Take a machine off the network, or put it on again."""
        link = ["ip", "link", "set", f"to-{name}", "down" if off else "up"]
        enter = ["nsenter", f"--target={self.switch}", "--net"]
        if os.geteuid() != 0:
            enter += ["--user", "--preserve-credentials"]
        subprocess.run(
            [*enter, *link], check=True, env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
        )


@contextmanager
def started(folder: Path, names: Sequence[str]) -> Iterator[Machines]:
    """Give machines of these names whose files are all under `folder`; every process of theirs ends with the context.

    Raises:
        RuntimeError: they did not come up.
    """
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "login")], check=True)
    for number, name in enumerate(names, start=1):
        for part in ("home", "tmp"):
            (folder / name / part).mkdir(parents=True)
        for half in ("login", "login.pub"):
            shutil.copy(folder / half, folder / name)
        others = [f"10.77.0.{other} {names[other - 1]}" for other in range(1, len(names) + 1) if other != number]
        lines = ["127.0.0.1 localhost", f"127.0.1.1 {name}", *others]
        (folder / name / "hosts").write_text("\n".join(lines) + "\n")
    visible = ":".join(dict.fromkeys(map(str, (folder, _ROOT, sys.prefix, sys.base_prefix))))
    script = str(Path(__file__).with_suffix(".sh"))
    log = folder / "switch.log"
    process = subprocess.Popen(
        ["unshare", *namespaces(), "bash", script, "switch", str(folder), visible, *names],
        stdin=subprocess.DEVNULL,
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
        env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"},
    )
    logs = {name: folder / name / "machine.log" for name in names}
    try:
        until = time.monotonic() + _START_S
        while not all(log.exists() and "Server listening" in log.read_text() for log in logs.values()):
            if process.poll() is not None or time.monotonic() > until:
                told = [path.read_text() for path in (log, *logs.values()) if path.exists()]
                raise RuntimeError(f"the machines did not start: {told}")
            time.sleep(0.05)
        (switch,) = _children(process.pid)
        each = {}
        for number, name in enumerate(names, start=1):
            (pid,) = [_children(child)[0] for child in _children(switch) if f"/{name} " in _command(child)]
            each[name] = Machine(name=name, address=f"10.77.0.{number}", folder=folder / name, pid=pid)
        yield Machines(folder=folder, switch=switch, each=each)
    finally:
        process.kill()
        process.wait()


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
