"""Why the results of a trial would depend on how many workers it has. Imports no torch.

The batch of a step is that of all workers, in the same order whatever their number: they take it in turns, example by
example. So sums are rounded otherwise, and nothing else changes, unless workers draw for themselves, or something
compares the examples of a worker's share with each other.
"""

from __future__ import annotations

from collections.abc import Iterator

from ablative.trainables.config import TOGETHER
from ablative.trainables.config import TrialConfig
from ablative.trainables.distillation.scores import SCORES
from ablative.trainables.parts.term import Term


def elastic(config: TrialConfig, workers: int) -> Iterator[tuple[str, str, str]]:
    """Path, what is found there and what it should be, of each field that forbids another number of workers.

    `workers`: the greatest number; the others divide it.
    """
    optim, student = config.optim, config.student
    because = "with elastic resources.workers"
    if student.dropout > 0:
        yield "student.dropout", f"{student.dropout:g}", f"0 {because}: each worker draws its own"
    if not student.part.alone:
        yield "student.preset", student.preset, f"a student without batch statistics {because}"
    for path, found, wanted in (
        ("optim.adversarial.steps", optim.adversarial.steps, 0),
        ("optim.sharding", optim.sharding, "none"),
        ("optim.precision", optim.precision, "float32"),
        ("optim.compiled", optim.compiled, False),
        ("distillation.adaptation.of", config.distillation.adaptation.of, "none"),
    ):
        if found != wanted:
            yield path, _yaml(found), f"{_yaml(wanted)} {because}: others were not tried"
    shared = optim.batch_size if optim.batch_tokens is None else TOGETHER
    if shared % (workers * optim.accumulation):
        path = "optim.batch_size" if optim.batch_tokens is None else "optim.accumulation"
        found = shared if optim.batch_tokens is None else optim.accumulation
        wanted = f"such that {shared} examples are shared evenly by {workers} workers in {optim.accumulation} parts"
        yield path, f"{found}", wanted
    yield from _terms(config, because)


def _terms(config: TrialConfig, because: str) -> Iterator[tuple[str, str, str]]:
    distillation = config.distillation
    selection = distillation.selection
    score = SCORES[selection.score]
    sampled = not score.every and (score.relevance is None or selection.draw == "sampled")
    for term in config.catalogue().of(Term).values():
        weight = getattr(distillation.terms, term.name)
        if weight > 0 and not term.alone:
            path = f"distillation.terms.{term.name}"
            yield path, f"{weight:g}", f"0 {because}: it compares the examples of a worker's share"
        elif weight > 0 and term.draws and sampled:
            path, found = ("draw", selection.draw) if selection.draw == "sampled" else ("score", selection.score)
            yield f"distillation.selection.{path}", found, f"one that draws nothing {because}"


def _yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
