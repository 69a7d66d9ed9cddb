"""Damaged and hostile files at every reader of what strangers wrote, by the hundred thousand.

    python tests/fuzz.py --inputs 100000        # some hours on a core; another --seed gives other inputs
    python tests/fuzz.py --inputs 2000 study records

Each input is a sound file with bytes changed, cut out, put in, or replaced by something hostile. A reader may take it
or refuse it with a named error in printable lines. A traceback, a hang or a file written outside is a finding: it is
kept under --keep, and the exit status is 1. The last line printed is a JSON object of the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

import numpy as np  # noqa: E402

from ablative.errors import AblativeError  # noqa: E402
from tests.helpers.damage import damaged as damaged_copies  # noqa: E402
from tests.helpers.damage import spliced  # noqa: E402

LIMIT_S = 60.0
"""Seconds of processor time after which a reader hangs: work beside it on the same cores makes no finding."""
BLOCKED_S = 1800.0
"""Seconds after which a reader that waits hangs, whatever processor time it took."""
AT_ONCE = 50
"""Inputs of one target before the next has its turn, so that all are covered however early it ends."""


@dataclass(frozen=True, slots=True)
class Target:
    """One reader: the files that it reads, and how."""

    make: Callable[[Path], object]
    """Writes sound files into a new folder."""
    read: Callable[[Path, Path], object]
    """Reads them, given the folder and the damaged file; raises AblativeError where it refuses."""


@dataclass(slots=True)
class Tally:
    """What became of the inputs of one target."""

    fates: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    findings: list[str] = field(default_factory=list)


def _studies(folder: Path) -> None:
    for path in (ROOT / "search_spaces").glob("*.yaml"):
        shutil.copy(path, folder)


def _read_study(folder: Path, damaged: Path) -> None:
    from ablative.search_spaces.load import load_study
    from tests.helpers.study_text import subjects

    load_study(damaged, subjects=subjects(), default="clip_td")


def _annotations(folder: Path) -> None:
    from tests.unit.trainables.real_layouts import make_snli_ve
    from tests.unit.trainables.real_layouts import make_vcr
    from tests.unit.trainables.real_layouts import make_vqa

    make_vcr(folder / "vcr", train=30)
    make_snli_ve(folder / "snli_ve")
    make_vqa(folder / "vqa")


def _read_annotations(folder: Path, damaged: Path) -> None:
    from ablative.trainables.data.convert import check
    from tests.helpers.tasks import TASKS

    name = damaged.relative_to(folder).parts[0]
    check(TASKS[name], str(folder / name), folder / "cache", lambda *_: None)


def _records(folder: Path) -> None:
    from ablative.orchestrator.storing.store import Store
    from tests.helpers.simulated import make_queue
    from tests.helpers.simulated import make_study
    from tests.helpers.simulated import run_all

    store = Store.open(str(folder / "store"))
    for record in run_all(make_queue(make_study())):
        store.write(record, (), {})


def _read_records(folder: Path, damaged: Path) -> None:
    from ablative.orchestrator.storing.store import Store

    store = Store.open(str(folder / "store"))
    for study in store.studies():
        store.records(study)
        store.predictions(study)
    for problem in store.problems:
        raise AblativeError(problem)


def _pictures(folder: Path) -> None:
    from PIL import Image

    colours = np.random.default_rng(3).integers(0, 256, (24, 30, 3), dtype=np.uint8)
    for kind in ("JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"):
        Image.fromarray(colours).save(folder / kind, kind)


def _read_pictures(folder: Path, damaged: Path) -> None:
    from ablative.trainables.data.pictures import Pictures

    Pictures(folder).picture(damaged.name)


def _features(folder: Path) -> None:
    from tests.unit.trainables.test_feature_files import features_of
    from tests.unit.trainables.test_feature_files import tsv_row

    rows = [tsv_row(number, features_of(number), lxmert=number % 2 == 0) for number in range(6)]
    (folder / "f.tsv").write_text("\n".join(rows) + "\n")


def _read_features(folder: Path, damaged: Path) -> None:
    from ablative.trainables.vision.feature_files import read_features

    for entry in read_features(damaged):
        if isinstance(entry.found, str):
            raise AblativeError(entry.found)


def _checkpoints(folder: Path) -> None:
    import torch
    from safetensors.torch import save_file

    state = {f"encoder.layer.{number}.weight": torch.randn(5, 7) for number in range(4)}
    save_file(state, folder / "w.safetensors")
    torch.save({"state_dict": state}, folder / "w.pt")


def _read_checkpoints(folder: Path, damaged: Path) -> None:
    from ablative.trainables.students.checkpoint import read_tensors

    read_tensors(damaged)


TARGETS = {
    "study": Target(_studies, _read_study),
    "annotations": Target(_annotations, _read_annotations),
    "records": Target(_records, _read_records),
    "pictures": Target(_pictures, _read_pictures),
    "features": Target(_features, _read_features),
    "checkpoints": Target(_checkpoints, _read_checkpoints),
}


class Hangs(BaseException):
    """A reader has not come back; no reader may catch it."""


def _alarm(*_: object) -> None:
    raise Hangs


class Fuzz:
    """Gives inputs to readers in a folder of their own, and keeps those that they do not survive."""

    def __init__(self, keep: Path, seed: int) -> None:
        """`keep`: folder of the findings, made when there is one."""
        self._keep = keep
        self._rng = np.random.default_rng(seed)
        self.tallies: dict[str, Tally] = {}

    def some(self, name: str, count: int) -> None:
        """Give `count` inputs to the target."""
        tally = self.tallies.setdefault(name, Tally())
        with tempfile.TemporaryDirectory(prefix="fuzz-") as outside:
            sound = Path(outside, "sound")
            sound.mkdir()
            TARGETS[name].make(sound)
            TARGETS[name].read(sound, next(path for path in sorted(sound.rglob("*")) if path.is_file()))
            victims = sorted(path for path in sound.rglob("*") if path.is_file() and path.stat().st_size)
            for _ in range(count):
                victim = victims[self._rng.integers(len(victims))].relative_to(sound)
                seed, hostile = int(self._rng.integers(2**31)), bool(self._rng.integers(2))
                content = next((spliced if hostile else damaged_copies)((sound / victim).read_bytes(), 1, seed))
                self._one(name, tally, sound, victim, content)

    def _one(self, name: str, tally: Tally, sound: Path, victim: Path, content: bytes) -> None:
        inside = sound.parent / "inside"
        shutil.copytree(sound, inside)
        (inside / victim).write_bytes(content)
        before, started = _listing(sound.parent, inside), time.perf_counter()
        signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
        signal.setitimer(signal.ITIMER_REAL, BLOCKED_S)
        try:
            TARGETS[name].read(inside, inside / victim)
            fate, wrong = "taken", ""
        except AblativeError as error:
            fate = "refused"
            odd = [line for line in str(error).splitlines() if not line.isprintable()]
            wrong = f"a message that cannot be printed: {odd[0]!r}" if odd or not str(error) else ""
        except Hangs:
            fate, wrong = "finding", f"no answer after {LIMIT_S:g} s of processor time or {BLOCKED_S:g} s in all"
        except Exception:  # any other is what is looked for
            fate, wrong = "finding", traceback.format_exc()
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)
        tally.slowest_s = max(tally.slowest_s, time.perf_counter() - started)
        if written := _listing(sound.parent, inside) - before:
            wrong = f"{wrong}\nwritten outside: {sorted(written)}"
        tally.fates["finding" if wrong else fate] += 1
        if wrong:
            self._found(name, tally, victim, content, wrong)
        shutil.rmtree(inside)

    def _found(self, name: str, tally: Tally, victim: Path, content: bytes, wrong: str) -> None:
        place = self._keep / f"{name}-{len(tally.findings)}-{victim.name}"
        self._keep.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        tally.findings.append(str(place))
        print(f"{name}: {place}: {wrong}", flush=True)


def _listing(outside: Path, inside: Path) -> set[str]:
    found: set[str] = set()
    for folder, names, files in os.walk(outside):
        names[:] = [name for name in names if Path(folder, name) != inside]
        found.update(str(Path(folder, file)) for file in files)
    return found | {str(path) for path in Path.cwd().iterdir()}


def _turns(names: list[str], inputs: int) -> Iterator[tuple[str, int]]:
    """Yield whose turn it is and for how many inputs."""
    turn = 0
    while inputs > 0:
        yield names[turn % len(names)], min(AT_ONCE, inputs)
        inputs, turn = inputs - AT_ONCE, turn + 1


def main(arguments: list[str] | None = None) -> int:
    """Run and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], help=f"{', '.join(TARGETS)} [all]")
    parser.add_argument("--inputs", type=int, default=1000, help="how many, over all targets")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"))
    asked = parser.parse_args(arguments)
    for number in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(number, _alarm)
    fuzz, done = Fuzz(asked.keep, asked.seed), 0
    for name, count in _turns(asked.targets or list(TARGETS), asked.inputs):
        fuzz.some(name, count)
        done += count
        print(f"{done}/{asked.inputs} {name} {dict(fuzz.tallies[name].fates)}", flush=True)
    figures = {
        name: {**tally.fates, "slowest_s": round(tally.slowest_s, 2), "findings": tally.findings}
        for name, tally in fuzz.tallies.items()
    }
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"inputs": done, "peak_mb": round(peak_mb), **figures}))
    return int(any(tally.findings for tally in fuzz.tallies.values()))


if __name__ == "__main__":
    sys.exit(main())
