"""A machine with an sshd, made of Linux namespaces on this one: `ray up` and `ray submit` can be tried for real.

Why not the host itself: `ray up` and `ray down` run `ray stop`, which ends every Ray process it can see, and the
launcher writes into the home folder of the login. Inside the namespaces both see only what belongs to the test.
"""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path

_NAMESPACES = ("--pid", "--net", "--mount", "--mount-proc", "--fork", "--kill-child=KILL")
_AS_USER = ("--user", "--map-current-user", "--keep-caps")
_COMMANDS = ("sshd", "ssh", "rsync", "ip", "unshare", "nsenter")
_START_S = 20


def missing() -> str | None:
    """Return why no such machine can be made here, or None."""
    if not sys.platform.startswith("linux"):
        return "needs Linux namespaces"
    search = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    absent = [
        name for name in ("sshd", "ssh", "rsync", "ip", "unshare", "nsenter") if not shutil.which(name, path=search)
    ]
    if absent:
        return f"needs {', '.join(absent)} (Debian packages openssh-server, rsync, iproute2, util-linux)"
    trial = subprocess.run(
        ["unshare", *namespaces(), "true"], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    return None if trial.returncode == 0 else f"this account may not make namespaces: {trial.stderr.strip()}"


def namespaces() -> tuple[str, ...]:
    """Return the options of `unshare` that make a machine's namespaces."""
    return _NAMESPACES if os.geteuid() == 0 else (*_AS_USER, *_NAMESPACES)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopbackMachine:
    """A running machine; commands of `run` are typed on it, as the person who launches the cluster."""

    folder: Path
    process: subprocess.Popen[bytes]
    pid: int
    """Of the machine's first process, as seen from outside."""

    @property
    def home(self) -> Path:
        """Home folder of the person and of every ssh login."""
        return self.folder / "home"

    @property
    def key(self) -> Path:
        """The only private key that the sshd lets in."""
        return self.folder / "login"

    def run(self, *command: str, folder: Path, timeout_s: float = 600) -> subprocess.CompletedProcess[str]:
        """Run `command` in `folder`; standard output and error come back as one text."""
        enter = ["nsenter", f"--target={self.pid}", "--pid", "--net", "--mount", f"--wd={folder}"]
        if os.geteuid() != 0:
            enter += ["--user", "--preserve-credentials"]
        return subprocess.run(
            [*enter, *command],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        return {**kept, "HOME": str(self.home), "PATH": f"{sysconfig.get_path('scripts')}:{kept['PATH']}"}

    def stop(self) -> None:
        """End every process of the machine."""
        self.process.kill()
        self.process.wait()


def start(folder: Path) -> LoopbackMachine:
    """Start a machine whose files are all under `folder`.

    Raises:
        RuntimeError: its sshd does not answer.
    """
    prepare_home(folder / "home")
    script = Path(__file__).with_suffix(".sh")
    log = folder / "machine.log"
    process = subprocess.Popen(
        ["unshare", *namespaces(), "bash", str(script), str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
    )
    deadline = time.monotonic() + _START_S
    while "Server listening" not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise RuntimeError(f"the machine did not start: {log.read_text()}")
        time.sleep(0.05)
    pid = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())
    return LoopbackMachine(folder=folder, process=process, pid=pid)


def prepare_home(home: Path) -> None:
    """Lay out a login: starts in its own home, and finds the packages of this environment instead of 2 GB of its own.

    The environment that the launcher's set-up commands fill has no package of its own but this project, which they
    build and install from the sources that they synchronised.
    """
    environment = home / "ablate-env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    _packages_of(environment).joinpath("base.pth").write_text(sysconfig.get_path("purelib") + "\n")
    ray = environment / "bin" / "ray"
    ray.write_text(f"#!{environment}/bin/python\nimport sys\nfrom ray.scripts.scripts import main\nsys.exit(main())\n")
    ray.chmod(0o755)
    home.joinpath(".bashrc").write_text(
        'cd "$HOME"\nexport HF_HUB_OFFLINE=1\n'
    )  # sshd starts in the account's own home
    settings = home / ".config" / "pip" / "pip.conf"
    settings.parent.mkdir(parents=True)
    settings.write_text("[global]\nno-index = true\nno-build-isolation = false\n")  # false is pip's spelling of "on"


def _packages_of(environment: Path) -> Path:
    (packages,) = environment.glob("lib/python*/site-packages")
    return packages


def login_name() -> str:
    """Return the account that the machine's sshd lets in."""
    return getpass.getuser()
