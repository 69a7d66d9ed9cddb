"""Copies a checkpoint into a student, and reports which parameters come from it, which do not, and why."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from ablative.trainables.strangers import parsing
from ablative.trainables.students.checkpoint import CheckpointError
from ablative.trainables.students.checkpoint import read_tensors
from ablative.trainables.students.checkpoint import require_weights
from ablative.trainables.students.checkpoint import said_norm_eps
from ablative.trainables.students.published import VCR_WORDS
from ablative.trainables.students.published import WORDS
from ablative.trainables.students.published import Layout
from ablative.trainables.students.published import Source
from ablative.trainables.students.published import current
from ablative.trainables.students.published import inner_names
from ablative.trainables.students.published import layout_of
from ablative.trainables.students.published import sources
from ablative.trainables.students.published import type_name

PUBLISHED_NORM_EPS = 1e-12
"""For BERT, UNITER, VILLA and VL-BERT alike; students that start from our own checkpoints keep torch's 1e-5."""
_REGIONS = "encoder.region_embedding."
_FROZEN_WORDS = "encoder.text_embedding.project."
_FREE = ("head.", "encoder.patch_embedding.", "encoder.trunk.")
"""Parts that may start fresh: the task's head, and the part that reads pictures.

_REGIONS too with a published checkpoint.
"""

Shape = tuple[int, ...]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """A parameter whose tensor in the checkpoint has another shape."""

    target: str
    source: str
    wanted: Shape
    found: Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """The assignment of a checkpoint's tensors to a student's parameters."""

    path: Path
    layout: Layout
    matched: tuple[tuple[str, str], ...]
    """(parameter of the student, tensors of the checkpoint with the rows taken)."""
    misfits: tuple[Misfit, ...]
    missing: tuple[str, ...]
    """Parameters of the student without a tensor in the checkpoint."""
    unexpected: tuple[str, ...]
    """Tensors of the checkpoint without a place in the student."""

    @property
    def faults(self) -> tuple[str, ...]:
        """Parameters that must come from a checkpoint and do not; for our own checkpoints, also unused tensors."""
        lost = (*(misfit.target for misfit in self.misfits), *self.missing)
        if self.layout != "own":
            return tuple(name for name in lost if not name.startswith((*_FREE, _REGIONS)))
        left = [f"encoder.{name}" for name in self.unexpected]
        return tuple(
            [name for name in lost if not name.startswith(_FREE)]
            + [name for name in left if not name.startswith((*_FREE, _REGIONS))]
        )

    def lines(self) -> Iterator[str]:
        """Return the report as text: counts, then every parameter, then the remedy."""
        yield (
            f"{self.path}: layout {self.layout}; {len(self.matched)} matched, {len(self.misfits)} not loaded (shape), "
            f"{len(self.missing)} missing, {len(self.unexpected)} unexpected"
        )
        yield from (f"  matched     {target} <- {source}" for target, source in self.matched)
        for misfit in self.misfits:
            yield f"  not loaded  {misfit.target} <- {misfit.source}: shape {misfit.found}, wanted {misfit.wanted}"
        yield from (f"  missing     {name}: starts fresh" for name in self.missing)
        yield from (f"  unexpected  {name}: not used" for name in self.unexpected)
        yield from (f"A trial would refuse it: {self.explained()}",) if self.faults else ()

    def explained(self) -> str:
        """Return the first fault with the value found and the remedy."""
        name = next((name for name in self.faults if name.startswith(_FROZEN_WORDS)), self.faults[0])
        misfit = next((misfit for misfit in self.misfits if misfit.target == name), None)
        said = f"wanted {misfit.wanted}, found {misfit.found}" if misfit else "in one of the two alone"
        return f"{len(self.faults)} tensors differ, first {name!r}: {said}{_remedy(name, misfit)}"


def _remedy(name: str, misfit: Misfit | None) -> str:
    if name == WORDS and misfit is not None:
        return (
            f". Its vocabulary has {misfit.found[0]:,} words, the student's {misfit.wanted[0]:,}: give the vocab.txt "
            "it was trained with as student.vocabulary (UNITER and VILLA base: that of bert-base-cased)"
        )
    if name.startswith(_FROZEN_WORDS):
        return ". Presets with MiniLM's frozen words take no published checkpoint; use a *_base or *_large preset"
    return ". Wanted a checkpoint of the preset's size"


def load_student(student: nn.Module, path: Path, preset: str) -> LoadReport:
    """Fill `student` (`encoder.` and `head.`), built from this preset, from our own or a published checkpoint.

    Published checkpoints also bring BERT's pooler into the head, and their norms' epsilon. A student that was
    pretrained further from one keeps that epsilon.

    Raises:
        CheckpointError: unreadable, of unknown layout, or a transformer or vocabulary of another size.
    """
    tensors = read_tensors(path)
    report, values = fitted(path, tensors, {name: tuple(p.shape) for name, p in student.state_dict().items()})
    if report.faults:
        raise CheckpointError(f"{path}: does not fit preset {preset!r}: {report.explained()}")
    student.load_state_dict(values, strict=False)
    if (eps := PUBLISHED_NORM_EPS if report.layout != "own" else said_norm_eps(path)) is not None:
        _set_norm_eps(student, eps)
    if fresh := [name for name in report.missing if not name.startswith("head.")]:
        _log.info("%s: %d parameters start fresh, the first %s", path, len(fresh), fresh[0])
    for misfit in report.misfits:
        _log.warning("%s: %s not loaded: shape %s, wanted %s", path, misfit.target, misfit.found, misfit.wanted)
    return report


def fitted(
    path: Path, tensors: Mapping[str, torch.Tensor], wanted: Mapping[str, Shape]
) -> tuple[LoadReport, dict[str, torch.Tensor]]:
    """Return the assignment and the values that fit; `wanted`: shapes by names of `Student.state_dict()`.

    Raises:
        CheckpointError: the layout is unknown, or a tensor to take is not a weight.
    """
    known = {current(name): name for name in tensors}
    found = layout_of(known)
    if found is None:
        raise CheckpointError(
            f"{path}: of no known layout; wanted the names of BERT, UNITER, VILLA, VL-BERT or of `save_encoder`, "
            f"found {next(iter(tensors), 'no tensors')!r}"
        )
    layout, prefix = found
    inner = inner_names(known, layout, prefix)
    body = {name: tensors[known[whole]] for name, whole in inner.items()}
    table = _table(layout, body, wanted)
    values, matched, misfits = {}, [], []
    for target, source in table.items():
        parts = [body[name] for name in source.names if name in body]
        if target not in wanted or len(parts) < len(source.names):
            continue
        with parsing(str(path), "give a checkpoint of whole weights", CheckpointError):
            require_weights(dict(zip(source.names, parts, strict=True)))
        whole = parts[0] if len(parts) == 1 else torch.cat(parts)
        value = _taken(source, whole, wanted[target])
        if value is None or value.shape != wanted[target]:
            shape = tuple(whole.shape)
            misfits.append(Misfit(target=target, source=_said(source), wanted=wanted[target], found=shape))
        else:
            values[target] = value.float()
            matched.append((target, _said(source)))
    accounted = {misfit.target for misfit in misfits} | values.keys()
    used = {inner[name] for target in accounted for name in table[target].names}
    report = LoadReport(
        path=path,
        layout=layout,
        matched=tuple(matched),
        misfits=tuple(misfits),
        missing=tuple(name for name in wanted if name not in accounted),
        unexpected=tuple(old for name, old in known.items() if name not in used),
    )
    return report, values


def _table(layout: Layout, body: Mapping[str, torch.Tensor], wanted: Mapping[str, Shape]) -> dict[str, Source]:
    if layout == "own":
        return {f"encoder.{name}": Source(names=(name,)) for name in body}
    types = body.get(type_name(layout))
    return sources(layout, wanted, 0 if types is None else len(types))


def _taken(source: Source, whole: torch.Tensor, wanted: Shape) -> torch.Tensor | None:
    """Return the rows that `source` takes; None if the tensor lacks them."""
    if source.rows == "all":
        return whole
    if source.rows == "one":
        return whole[source.row] if source.row < len(whole) else None
    if source.rows == "first":
        return whole[: wanted[0]]
    if source.rows == "words":
        return whole[: wanted[0]] if len(whole) - wanted[0] in (0, VCR_WORDS) else None
    return whole[list(source.rows)] if max(source.rows) < len(whole) else None


def _said(source: Source) -> str:
    rows = {"all": "", "one": f" (row {source.row})", "first": " (first rows)", "words": " (the vocabulary's rows)"}
    names = ", ".join(source.names)
    return names + (rows[source.rows] if isinstance(source.rows, str) else f" (rows {source.rows})")


def _set_norm_eps(module: nn.Module, eps: float) -> None:
    for name, part in module.named_modules():
        if isinstance(part, nn.LayerNorm) and not name.startswith("encoder.trunk"):
            part.eps = eps
