"""Records a terminal session on a cluster of three machines, and writes it into docs/cluster.md.

    python -m docs.make_cluster_session          # from the root of the checkout: some ten minutes on two cores

The machines and the laptop in front of them are Linux namespaces on this one (`tests/helpers/machines.py`, which says
what it needs). What is shown was printed there. Only names of this machine's folders and login are replaced, and
Ray's lines about its own ssh and rsync are left out.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path

from ablative.trainables.cache import cache_folder
from tests.helpers import machines
from tests.helpers.loopback_machine import login_name
from tests.helpers.machines import Machines
from tests.helpers.sources import ROOT
from tests.helpers.ssh_cluster import written

PAGE = ROOT / "docs" / "cluster.md"
BEGIN, END = "<!-- written by docs/make_cluster_session.py -->\n", "<!-- end of what it wrote -->\n"
NODES = ("head", "left", "right")
STUDY = "digits_distillation"
SUBMIT = "ray submit cluster.yaml orchestrator/ablate.py --"
SESSION = (
    "ray up cluster.yaml -y",
    f"ray rsync-up cluster.yaml docs/examples/{STUDY}.py '~/{STUDY}.py'",
    f"ray rsync-up cluster.yaml docs/examples/{STUDY}.yaml '~/{STUDY}.yaml'",
    f"{SUBMIT} run {STUDY}.yaml base.steps=4000 --with {STUDY}.py --detach",
    f"{SUBMIT} attach {STUDY}.yaml",
    f"{SUBMIT} attach {STUDY}.yaml",
    f"{SUBMIT} query {STUDY} \"'select arm, n, mean, difference, verdict from effects'\"",
    "ray down cluster.yaml -y",
)
CUT = 4
"""Place of the command during which the laptop loses its line."""
PATIENCE_S = 900
PROMPT = "me@laptop:~/ablative$ "
ADVICE = "Next steps"
"""Line of `ray up` behind which it explains Ray."""
FIRST, LAST = 26, 10
"""Lines shown of a command that prints more than both."""
WIDTH = 110
OWN = re.compile(
    r"^\s*$|refers to a file|please use a directory|provider configuration|provider, try re-running|ClusterState: |"
    r"known hosts|^Shared connection|Fetched IP|^    (~|\(\d/5\)|Running `)|ssh -tt|^sending|^sent \d|^total size|"
    r"Autoscaler v2 is now|Usage stats|usage stats|^\d{4}-\d\d-\d\d [\d:,]+\tINFO |load average:|^-+$"
)
"""Lines of Ray, ssh and rsync about how they reach a machine."""
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r|\0|\^@")


def recorded() -> list[tuple[str, str]]:
    """Return each command of the session and what a terminal of 110 columns showed of it."""
    with (
        tempfile.TemporaryDirectory(prefix="session-", ignore_cleanup_errors=True) as folder,
        machines.started(Path(folder), ("laptop", *NODES)) as network,
    ):
        laptop, file = network["laptop"], written(network, NODES)
        laptop.run("ray", "get-auth-token", "--generate")
        names = _names(network, file)

        def typed(command: str, meanwhile: Callable[[Path], None] | None = None) -> str:
            said = Path(folder) / "said"
            line = f"stty cols {WIDTH}; exec {command.replace('cluster.yaml', str(file), 1)}"
            running = laptop.begin("script", "-qfec", line, "/dev/null", said=said, RAY_USAGE_STATS_ENABLED="0")
            if meanwhile is not None:
                meanwhile(said)
            running.wait()
            text = ESCAPES.sub("", said.read_text(errors="replace"))
            for ours, neutral in names.items():
                text = text.replace(ours, neutral)
            print(f"$ {command}\n{text}", file=sys.stderr, flush=True)
            return text

        def lose_the_line(said: Path) -> None:
            _wait(lambda: "owed" in said.read_text(errors="replace"))
            time.sleep(5)
            network.cut("laptop")

        shown = []
        for place, command in enumerate(SESSION):
            shown.append((command, typed(command, lose_the_line if place == CUT else None)))
            network.cut("laptop", off=False)
            if place == 0:
                _wait(lambda: "3 local.cluster.node" in laptop.run("ray", "exec", str(file), "ray status"))
        return shown


def _wait(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"not within {PATIENCE_S} s")
        time.sleep(0.5)


def _names(network: Machines, file: Path) -> dict[str, str]:
    """Return what only this machine calls so -> what to show, the longest first."""
    homes = {str(network[name].folder / "home"): "~" for name in NODES}
    laptop = {str(file): "cluster.yaml", str(network["laptop"].folder / "home"): "~"}
    shared = {str(network.folder / "shared"): "/shared/ablate", str(cache_folder()): "/shared/ablate/cache"}
    others = {str(network.folder): "~", str(ROOT): "~/ablative", f"{login_name()}@": "me@"}
    found = {**homes, **laptop, **shared, **others}
    return {ours: found[ours] for ours in sorted(found, key=len, reverse=True)}


def transcript(session: Sequence[tuple[str, str]]) -> str:
    """Return the session as a page shows it."""
    parts = []
    for place, (command, text) in enumerate(session):
        lines = [line.rstrip() for line in text.replace("^@", "").splitlines() if not OWN.search(line)]
        if ADVICE in lines:
            lines[lines.index(ADVICE) :] = ["[... advice about Ray ...]"]
        if (left_out := len(lines) - FIRST - LAST) > 1:
            lines[FIRST:-LAST] = [f"[... {left_out} lines ...]"]
        if place == CUT:
            lines.append("[the laptop's line was cut; ssh has given up, and the line is back]")
        shown = [line if len(line) <= WIDTH else f"{line[: WIDTH - 4]} ..." for line in lines]
        parts.append("\n".join([f"{PROMPT}{command}", *shown]))
    return "\n\n".join(parts)


def page(text: str, session: Sequence[tuple[str, str]]) -> str:
    """Return the text of the page with this session in the place of an earlier one."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}```text\n{transcript(session)}\n```\n{END}{after}"


def main() -> None:
    """Record a session and write it into the page."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), recorded()), encoding="utf-8")


if __name__ == "__main__":
    main()
