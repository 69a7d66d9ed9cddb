"""Write the bundled benchmark: pictures once, and one folder a task in the layout of the real data set."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ablative.progress import Progress
from ablative.trainables.benchmark import rows
from ablative.trainables.benchmark.scene import Scene
from ablative.trainables.benchmark.scene import scene
from ablative.trainables.benchmark.spec import MiniSpec
from ablative.trainables.benchmark.spec import preset
from ablative.trainables.benchmark.spec import spec_digest

TASKS = ("vcr", "snli_ve", "vqa")
_ATTRIBUTION = "Pictures are composed of OpenMoji art (openmoji.org), CC BY-SA 4.0."


def benchmark_folder(name: str, cache: Path) -> Path:
    """Return where the preset `name` lies or will lie; its name changes with its content."""
    return cache / f"{name}-{spec_digest(preset(name))[:12]}"


def ensure_benchmark(name: str, cache: Path, progress: Progress | None = None) -> Path:
    """Return the folder of the preset `name`, generated first if it is not there.

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
    except BaseException:  # Ctrl-C too leaves nothing half made behind
        shutil.rmtree(partial, ignore_errors=True)
        raise


def write_benchmark(spec: MiniSpec, folder: Path, progress: Progress) -> None:
    """Write every split of every task under `folder`; the same `spec` gives the same bytes."""
    total = sum(size.scenes for size in spec.sizes.values())
    done = 0
    for split, size in spec.sizes.items():
        scenes = [scene(spec, split, index) for index in range(size.scenes)]
        for shown in scenes:
            _write_picture(shown, folder)
            done += 1
            if done % 50 == 0 or done == total:
                progress("drawing scenes", done, total)
        _write_texts(spec, split, scenes, folder)
    _write_json(folder / "benchmark.json", {"spec": spec.model_dump(mode="json"), "attribution": _ATTRIBUTION})


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
    except OSError:  # a file system without hard links
        shutil.copyfile(source, target)


def _write_texts(spec: MiniSpec, split: str, scenes: Sequence[Scene], folder: Path) -> None:
    size = spec.sizes[split]
    things = [shown for shown in scenes if shown.kind == "things"]
    people = [shown for shown in scenes if shown.kind == "people"]
    if size.statements:
        texts, slices = rows.snli_ve_rows(spec, split, things)
        _write_lines(folder / "snli_ve" / f"snli_ve_{'dev' if split == 'val' else split}.jsonl", texts)
        _write_slices(folder / "snli_ve", split, slices)
    if size.questions:
        asked, answered, slices = rows.vqa_files(spec, split, scenes)
        subset = rows.vqa_subset(split)
        _write_json(folder / "vqa" / f"v2_OpenEnded_mscoco_{subset}_questions.json", asked)
        _write_json(folder / "vqa" / f"v2_mscoco_{subset}_annotations.json", answered)
        _write_slices(folder / "vqa", split, slices)
    if size.annotations:
        texts, slices = rows.vcr_rows(spec, split, people)
        _write_lines(folder / "vcr" / f"{split}.jsonl", texts)
        _write_slices(folder / "vcr", split, slices)


def _write_lines(path: Path, texts: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in texts), encoding="utf-8")


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def _write_slices(folder: Path, split: str, slices: Mapping[str, Sequence[str]]) -> None:
    if set(slices) - {"seen"}:
        _write_json(folder / "slices" / f"{split}.json", slices)
