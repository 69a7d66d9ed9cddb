"""The trained students that a study keeps: one file per trial, beside the checkpoints of running trials."""

from __future__ import annotations

from ablative.orchestrator.storing.trial_files import TrialFiles


class Students(TrialFiles):
    """The kept students of one study."""

    suffix = ".safetensors"
