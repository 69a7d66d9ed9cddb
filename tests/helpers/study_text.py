"""Studies written down in a test, and what loading them gives."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from ablative.orchestrator.commands.composition import subject
from ablative.search_spaces.design import Cell
from ablative.search_spaces.design import cells
from ablative.search_spaces.errors import Mistake
from ablative.search_spaces.errors import StudyError
from ablative.search_spaces.errors import grave
from ablative.search_spaces.load import LoadedStudy
from ablative.search_spaces.load import load_study
from ablative.search_spaces.study import Study
from ablative.search_spaces.subject import Subjects
from ablative.trainables.config import TrialConfig
from ablative.trainables.config import canonical
from ablative.trainables.kinds.clip_td import CLIP_TD
from ablative.trainables.parts.catalogue import bundled
from ablative.trainables.parts.trainable import DEFAULT
from ablative.trainables.parts.trainable import Trainable

HEAD = """\
study: tiny
question: Does it help?
base:
  distillation: {terms: {image: 1.0, text: 1.0, tokens: 1.0}}
"""


def load(text: str, *overrides: str, metrics: tuple[str, ...] = ()) -> Study:
    """The study that `text` describes."""
    return loaded(text, *overrides, metrics=metrics).study


def loaded(text: str, *overrides: str, metrics: tuple[str, ...] = ()) -> LoadedStudy:
    """The study that `text` describes, with what was found beside it."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "tiny.yaml")
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        known = {**subjects(), DEFAULT: lambda: replace(subject(CLIP_TD, bundled()), metrics=metrics)}
        return load_study(path, subjects=known, default=DEFAULT, overrides=overrides)


def subjects() -> Subjects:
    """What studies may be about: the trainables that ship."""
    return {name: partial(subject, found, bundled()) for name, found in bundled().of(Trainable).items()}


def mistakes(text: str, *overrides: str, metrics: tuple[str, ...] = ()) -> tuple[Mistake, ...]:
    """The mistakes in `text`, without warnings; none where it loads."""
    try:
        load(text, *overrides, metrics=metrics)
    except StudyError as error:
        return tuple(grave(error.mistakes))
    return ()


def cells_of(text: str, *overrides: str) -> dict[str, Cell]:
    """The cells of the study that `text` describes, by name."""
    return {cell.name: cell for cell in cells(load(text, *overrides), TrialConfig, canonical)}
