"""Write the bundled benchmark: pictures once, and one folder a task in the layout of the real data set."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from ablative.progress import Progress
from ablative.trainables.benchmark import rows
from ablative.trainables.benchmark.scene import Scene
from ablative.trainables.benchmark.scene import scene
from ablative.trainables.benchmark.spec import SCENES_A_PART
from ablative.trainables.benchmark.spec import MiniSpec
from ablative.trainables.benchmark.spec import Part
from ablative.trainables.benchmark.spec import parts_of
from ablative.trainables.benchmark.spec import preset
from ablative.trainables.benchmark.spec import spec_digest

TASKS = ("vcr", "snli_ve", "vqa")
_ATTRIBUTION = "Pictures are composed of OpenMoji art (openmoji.org), CC BY-SA 4.0."


def benchmark_folder(name: str, cache: Path) -> Path:
    """Return the folder of the preset `name`, present or future; its name changes with its content."""
    return cache / f"{name}-{spec_digest(preset(name))[:12]}"


def ensure_benchmark(name: str, cache: Path, progress: Progress | None = None) -> Path:
    """Return the folder of the preset `name`, generating it first if it is missing.

    Safe to call from several processes: one generates into a temporary folder under a lock and renames it.
    """
    from filelock import FileLock

    folder = benchmark_folder(name, cache)
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f".{folder.name}.lock"):
        if not folder.is_dir():
            _generate(preset(name), folder, progress or (lambda what, done, total: None))
    return folder


def _generate(spec: MiniSpec, folder: Path, progress: Progress) -> None:
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        write_benchmark(spec, partial, progress)
        partial.chmod(0o755)
        partial.rename(folder)
    except BaseException:  # leave nothing half made, not even after Ctrl-C
        shutil.rmtree(partial, ignore_errors=True)
        raise


def write_benchmark(
    spec: MiniSpec, folder: Path, progress: Progress, *, scenes_a_part: int = SCENES_A_PART, workers: int | None = None
) -> None:
    """Write every split of every task under `folder`; the same `spec` and parts give the same bytes.

    A split of several parts is made by `workers` processes, by default as many as there are cores.
    """
    total = sum(size.scenes for size in spec.sizes.values())
    done = 0

    def tell(made: int) -> None:
        nonlocal done
        done += made
        if done % 50 == 0 or done == total:
            progress("drawing scenes", done, total)

    for split, size in spec.sizes.items():
        parts = parts_of(size, scenes_a_part)
        made = [_Made(spec=spec, split=split, part=part, folder=folder) for part in parts]
        _write_parts(made, tell, workers or _cores())
        _join(made)
    _write_json(folder / "benchmark.json", {"spec": spec.model_dump(mode="json"), "attribution": _ATTRIBUTION})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """A part of a split: its pictures in their final places, its texts in separate files until all parts exist."""

    spec: MiniSpec
    split: str
    part: Part
    folder: Path

    @property
    def texts(self) -> Path:
        """Folder of its texts until they are joined."""
        return self.folder / "parts" / f"{self.split}-{self.part.number}"

    def write(self, tell: Callable[[int], None]) -> int:
        """Draw and word the part; return the number of its scenes."""
        size = self.spec.sizes[self.split]
        places = [*self.part.of(size.things), *(size.things + place for place in self.part.of(size.people))]
        scenes = [scene(self.spec, self.split, place) for place in places]
        for shown in scenes:
            _write_picture(shown, self.folder)
            tell(1)
        self._write_texts(scenes)
        return len(scenes)

    def _write_texts(self, scenes: Sequence[Scene]) -> None:
        size = self.spec.sizes[self.split]
        things = [shown for shown in scenes if shown.kind == "things"]
        people = [shown for shown in scenes if shown.kind == "people"]
        if size.statements:
            texts, slices = rows.snli_ve_rows(self.spec, self.split, things, self.part)
            self._keep("snli_ve", slices, rows=texts)
        if size.questions:
            asked, answered, slices = rows.vqa_rows(self.spec, self.split, scenes, self.part)
            self._keep("vqa", slices, questions=asked, annotations=answered)
        if size.annotations:
            texts, slices = rows.vcr_rows(self.spec, self.split, people, self.part)
            self._keep("vcr", slices, rows=texts)

    def _keep(self, task: str, slices: Mapping[str, Sequence[str]], **kept: Sequence[Mapping[str, Any]]) -> None:
        for name, found in kept.items():
            path = self.texts / task / f"{name}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(json.dumps(row) + "\n" for row in found), encoding="utf-8")
        _write_json(self.texts / task / "slices.json", slices)


def _write_parts(parts: Sequence[_Made], tell: Callable[[int], None], workers: int) -> None:
    if len(parts) == 1 or workers == 1:
        for part in parts:
            part.write(tell)
        return
    pool = ProcessPoolExecutor(
        workers,
        mp_context=get_context("spawn"),  # a fork would copy locks that other threads hold
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_IGN),  # Ctrl-C ends the parent, which ends them
    )
    with pool:
        for count in pool.map(_write_alone, parts):
            tell(count)


def _write_alone(part: _Made) -> int:
    return part.write(lambda made: None)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _join(parts: Sequence[_Made]) -> None:
    """Join the texts of a split's parts into its files, line by line, and remove the parts."""
    split, folder = parts[0].split, parts[0].folder
    subset = rows.vqa_subset(split)
    asked, answered = rows.vqa_heads(split)
    for task in TASKS:
        texts = [part.texts / task for part in parts if (part.texts / task).is_dir()]
        if not texts:
            continue
        (folder / task).mkdir(exist_ok=True)
        if task == "vqa":
            files = {
                "questions": f"OpenEnded_mscoco_{subset}_questions",
                "annotations": f"mscoco_{subset}_annotations",
            }
            for name, head in (("questions", asked), ("annotations", answered)):
                _join_rows(
                    [text / f"{name}.jsonl" for text in texts], folder / task / f"v2_{files[name]}.json", head, name
                )
        else:
            name = f"snli_ve_{'dev' if split == 'val' else split}" if task == "snli_ve" else split
            _join_lines([text / "rows.jsonl" for text in texts], folder / task / f"{name}.jsonl")
        _join_slices([text / "slices.json" for text in texts], folder / task, split)
    shutil.rmtree(folder / "parts")


def _join_lines(parts: Sequence[Path], target: Path) -> None:
    with target.open("wb") as file:
        for part in parts:
            with part.open("rb") as lines:
                shutil.copyfileobj(lines, file)


def _join_rows(parts: Sequence[Path], target: Path, head: Mapping[str, Any], name: str) -> None:
    """Write the object `head` with one more field, a list of all lines, exactly as `json.dumps` would."""
    with target.open("w", encoding="utf-8") as file:
        file.write(f"{json.dumps(head)[:-1]}, {json.dumps(name)}: [")
        first = True
        for part in parts:
            with part.open(encoding="utf-8") as lines:
                for line in lines:
                    file.write(("" if first else ", ") + line.rstrip("\n"))
                    first = False
        file.write("]}")


def _join_slices(parts: Sequence[Path], folder: Path, split: str) -> None:
    joined: dict[str, list[str]] = {}
    for part in parts:
        for name, ids in json.loads(part.read_text(encoding="utf-8")).items():
            joined.setdefault(name, []).extend(ids)
    if set(joined) - {"seen"}:
        _write_json(folder / "slices" / f"{split}.json", joined)


def _write_picture(shown: Scene, folder: Path) -> None:
    """Write one JPEG and its boxes, linked into the folder of each task that asks about the scene."""
    from ablative.trainables.benchmark.draw import jpeg
    from ablative.trainables.benchmark.draw import render

    picture, boxes = jpeg(render(shown)), json.dumps(rows.metadata(shown)).encode()
    first: Path | None = None
    for place in _places(shown):
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if first is None:
            first = target
            target.write_bytes(picture)
            target.with_suffix(".json").write_bytes(boxes)
        else:
            _link(first, target)
            _link(first.with_suffix(".json"), target.with_suffix(".json"))


def _places(shown: Scene) -> list[str]:
    places = [f"vqa/{rows.vqa_image(shown)}"]
    if shown.kind == "things":
        places.append(f"snli_ve/flickr30k_images/{rows.snli_ve_image(shown)}")
    else:
        places.append(f"vcr/vcr1images/{rows.vcr_image(shown)}")
    return places


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # the file system has no hard links
        shutil.copyfile(source, target)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
