"""The options of a study for VQA's training data. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ablative.trainables.parts.part import Options


class VqaOptions(Options):
    """Training data besides the official train file."""

    train_on: Literal["train", "train_val"] = Field(
        "train", description="`train_val` adds the official val file to training; `test` is then carved out of it."
    )
    visual_genome: bool = Field(
        False, description="Adds Visual Genome's questions on the pictures of train whose answer is an output class."
    )
