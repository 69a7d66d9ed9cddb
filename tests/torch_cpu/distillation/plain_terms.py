"""Every rival term from its formula, one example, pair or word at a time, in float64: slow and plain on purpose."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ablative.trainables.distillation.built import BuiltTerm
from ablative.trainables.distillation.outputs import StudentOutputs
from ablative.trainables.distillation.outputs import TeacherOutputs


def dot(a: Tensor, b: Tensor) -> Tensor:
    return sum((x * y for x, y in zip(a, b, strict=True)), torch.zeros((), dtype=torch.float64))


def length(a: Tensor) -> Tensor:
    return torch.sqrt(dot(a, a))


def cos(a: Tensor, b: Tensor) -> Tensor:
    return dot(a, b) / length(a) / length(b)


def mean(values: list[Tensor]) -> Tensor:
    return sum(values, torch.zeros((), dtype=torch.float64)) / max(1, len(values))


def huber(a: Tensor, b: Tensor) -> Tensor:
    gap = abs(a - b)
    return gap**2 / 2 if gap < 1 else gap - 0.5


def divergence(teacher: list[Tensor], student: list[Tensor]) -> Tensor:
    """KL of the softmaxes of two lists of logits."""
    t = [math.e**x / sum(math.e**y for y in teacher) for x in teacher]
    s = [math.e**x / sum(math.e**y for y in student) for x in student]
    return sum(p * torch.log(p / q) for p, q in zip(t, s, strict=True))


def plain_logits(term: BuiltTerm, student: StudentOutputs, targets: TeacherOutputs) -> list[Tensor]:
    T = term.options.temperature
    rows = zip(targets.probabilities, student.logits, strict=True)
    return [T**2 * divergence([torch.log(x) / T for x in p], [z / T for z in zs]) for p, zs in rows]


def plain_mixed_labels(term: BuiltTerm, student: StudentOutputs, targets: TeacherOutputs) -> list[Tensor]:
    a = term.options.share
    losses = []
    for z_K, y_K, p_K in zip(student.logits, student.truth, targets.probabilities, strict=True):
        total = torch.zeros((), dtype=torch.float64)
        for z, y, p in zip(z_K, y_K, p_K, strict=True):
            mixed, said = (1 - a) * y + a * p, 1 / (1 + math.e ** (-z))
            total = total - mixed * torch.log(said) - (1 - mixed) * torch.log(1 - said)
        losses.append(total)
    return losses


def plain_hint(term: BuiltTerm, student: StudentOutputs, targets: TeacherOutputs) -> list[Tensor]:
    def error(f: Tensor, t: Tensor) -> Tensor:
        return mean([(x - y) ** 2 for x, y in zip(f, t, strict=True)])

    return [
        (error(term.module.image(h), v) + error(term.module.text(c), t)) / 2
        for h, c, v, t in zip(student.image, student.cls, targets.image, targets.text, strict=True)
    ]


def plain_clip_feature(term: BuiltTerm, student: StudentOutputs, targets: TeacherOutputs) -> list[Tensor]:
    def error(f: Tensor, t: Tensor) -> Tensor:
        return (2 - 2 * cos(f, t)) / len(f)

    return [
        error(term.module.image(h), v) + error(term.module.text(c), t)
        for h, c, v, t in zip(student.image, student.cls, targets.image, targets.text, strict=True)
    ]


def plain_attention(term: BuiltTerm, student: StudentOutputs, targets: TeacherOutputs) -> list[Tensor]:
    losses = []
    for b, mask in enumerate(targets.word_mask.tolist()):
        words = [i for i, is_word in enumerate(mask) if is_word]
        if not words:
            losses.append(torch.zeros((), dtype=torch.float64))
            continue
        mine = [mean([x**2 for x in student.words[b, i]]) for i in words]
        theirs = [targets.visual[b, i] ** 2 for i in words]
        mine_long, theirs_long = length(torch.stack(mine)), length(torch.stack(theirs))
        losses.append(mean([(m / mine_long - t / theirs_long) ** 2 for m, t in zip(mine, theirs, strict=True)]))
    return losses


def both_sides(student: StudentOutputs, targets: TeacherOutputs) -> list[tuple[Tensor, Tensor]]:
    return [(student.image, targets.image), (student.cls, targets.text)]


def distances(x: Tensor) -> list[list[Tensor]]:
    zero = torch.zeros((), dtype=torch.float64)
    raw = [[length(a - b) if i != j else zero for j, b in enumerate(x)] for i, a in enumerate(x)]
    mu = mean([d for i, row in enumerate(raw) for j, d in enumerate(row) if i != j])
    return [[d / mu if len(x) > 1 else d for d in row] for row in raw]


def plain_rkd_distance(term: BuiltTerm, student: StudentOutputs, targets: TeacherOutputs) -> list[Tensor]:
    totals = []
    for s, t in both_sides(student, targets):
        pairs = zip(distances(s), distances(t), strict=True)
        totals.append([mean([huber(a, b) for a, b in zip(mine, theirs, strict=True)]) for mine, theirs in pairs])
    return [(a + b) / 2 for a, b in zip(*totals, strict=True)]


def angle(x: Tensor, i: int, j: int, k: int) -> Tensor:
    return cos(x[j] - x[i], x[k] - x[i]) if i not in (j, k) else torch.zeros((), dtype=torch.float64)


def plain_rkd_angle(term: BuiltTerm, student: StudentOutputs, targets: TeacherOutputs) -> list[Tensor]:
    B = range(len(student.cls))
    return [
        mean(
            [
                huber(angle(s, i, j, k), angle(t, i, j, k))
                for s, t in both_sides(student, targets)
                for j in B
                for k in B
            ]
        )
        for i in B
    ]


def plain_similarity(term: BuiltTerm, student: StudentOutputs, targets: TeacherOutputs) -> list[Tensor]:
    def rows(x: Tensor) -> list[list[Tensor]]:
        gram = [[dot(a, b) for b in x] for a in x]
        return [[g / length(torch.stack(row)) for g in row] for row in gram]

    totals = []
    for s, t in both_sides(student, targets):
        pairs = zip(rows(s), rows(t), strict=True)
        totals.append([mean([(a - b) ** 2 for a, b in zip(mine, theirs, strict=True)]) for mine, theirs in pairs])
    return [(a + b) / 2 for a, b in zip(*totals, strict=True)]


def plain_clip_relational(term: BuiltTerm, student: StudentOutputs, targets: TeacherOutputs) -> list[Tensor]:
    x, y = term.module.image(student.image), term.module.text(student.cls)
    v, t, s = targets.image, targets.text, targets.scale / term.options.temperature
    return [
        (
            divergence([s * cos(v[i], k) for k in t], [s * cos(x[i], k) for k in t])
            + divergence([s * cos(t[i], k) for k in v], [s * cos(y[i], k) for k in v])
        )
        / 2
        for i in range(len(x))
    ]


def plain_clip_interactive(term: BuiltTerm, student: StudentOutputs, targets: TeacherOutputs) -> list[Tensor]:
    x, y = term.module.image(student.image), term.module.text(student.cls)
    v, t, s = targets.image, targets.text, targets.scale

    def told(queries: Tensor, keys: Tensor, i: int) -> Tensor:
        shown = [k for k in range(len(v)) if k == i or (cos(v[k], v[i]) < 0.9999 and cos(t[k], t[i]) < 0.9999)]
        scores = {k: math.e ** (s * cos(queries[i], keys[k])) for k in shown}
        return -torch.log(scores[i] / sum(scores.values()))

    return [(told(x, t, i) + told(y, v, i)) / 2 for i in range(len(x))]


def plain_affinity(term: BuiltTerm, student: StudentOutputs, targets: TeacherOutputs) -> list[Tensor]:
    x, y = term.module.image(student.image), term.module.text(student.cls)
    v, t, s, alpha = targets.image, targets.text, targets.scale, term.options.soft_share
    B = range(len(x))

    def soft(a: Tensor, b: Tensor, i: int) -> list[Tensor]:
        scores = [math.e ** (s * cos(a[i], b[k])) for k in B]
        return [score / sum(scores) for score in scores]

    def told(mine: list[Tensor], theirs: list[Tensor], i: int) -> Tensor:
        rows = enumerate(zip(mine, theirs, strict=True))
        return sum(-(alpha * p + (1 - alpha) * (k == i)) * torch.log(q) for k, (q, p) in rows)

    return [(told(soft(x, y, i), soft(v, t, i), i) + told(soft(y, x, i), soft(t, v, i), i)) / 2 for i in B]


def plain_dime(term: BuiltTerm, student: StudentOutputs, targets: TeacherOutputs) -> list[Tensor]:
    x, v, t, s = term.module(student.image), targets.image, targets.text, targets.scale
    options = term.options

    def part(keys: Tensor, i: int, T: float) -> Tensor:
        return divergence([s * cos(v[i], k) / T for k in keys], [s * cos(x[i], k) / T for k in keys])

    return [
        options.text_share * part(t, i, options.text_temperature)
        + (1 - options.text_share) * part(v, i, options.image_temperature)
        for i in range(len(x))
    ]


def plain_crd(term: BuiltTerm, student: StudentOutputs, targets: TeacherOutputs) -> list[Tensor]:
    """With all other examples as negatives, and the memory as it is before the batch."""
    memory, tau = term.module, term.options.temperature
    M = len(memory.students_MD)
    own = targets.index.tolist()
    pairs = torch.cat([targets.image, targets.text], dim=1)

    def losses(anchors: Tensor, entries: Tensor) -> list[Tensor]:
        raw = [[torch.exp(dot(g / length(g), m) / tau) for m in entries] for g in anchors]
        Z = (mean([e for row in raw for e in row]) * M).detach()
        found = []
        for i, row in zip(own, raw, strict=True):
            h = [e / Z / (e / Z + (M - 1) / M) for e in row]
            found.append(-torch.log(h[i]) - sum(torch.log(1 - h[k]) for k in range(M) if k != i))
        return found

    mine = losses(memory.student(student.cls), memory.teachers_MD.clone())
    theirs = losses(memory.teacher(pairs), memory.students_MD.clone())
    return [a + b for a, b in zip(mine, theirs, strict=True)]


PLAIN = {
    "logits": plain_logits,
    "mixed_labels": plain_mixed_labels,
    "hint": plain_hint,
    "clip_feature": plain_clip_feature,
    "attention": plain_attention,
    "rkd_distance": plain_rkd_distance,
    "rkd_angle": plain_rkd_angle,
    "similarity": plain_similarity,
    "crd": plain_crd,
    "clip_relational": plain_clip_relational,
    "clip_interactive": plain_clip_interactive,
    "affinity": plain_affinity,
    "dime": plain_dime,
}
"""Term -> function of (term, student, targets) to the value of each example."""
