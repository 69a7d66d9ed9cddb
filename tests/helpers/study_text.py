"""Studies written down in a test, and what loading them gives."""

from __future__ import annotations

import textwrap
from pathlib import Path
from tempfile import TemporaryDirectory

from ablative.search_spaces.design import Cell
from ablative.search_spaces.design import cells
from ablative.search_spaces.errors import Mistake
from ablative.search_spaces.errors import StudyError
from ablative.search_spaces.errors import grave
from ablative.search_spaces.load import LoadedStudy
from ablative.search_spaces.load import load_study
from ablative.search_spaces.study import Study
from ablative.trainables.arms import ARMS
from ablative.trainables.config import TrialConfig
from ablative.trainables.config import canonical
from ablative.trainables.config import contradictions
from ablative.trainables.config import without_scale
from ablative.trainables.recipes import RECIPES

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
        return load_study(
            path,
            config_type=TrialConfig,
            controls=ARMS,
            canonical=canonical,
            overrides=overrides,
            metrics=metrics,
            recipes=RECIPES,
            contradictions=contradictions,
            without_scale=without_scale,
        )


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
