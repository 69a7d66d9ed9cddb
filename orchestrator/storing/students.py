"""The trained students that a study keeps: one file a trial, beside the checkpoints of those that still run."""

from __future__ import annotations

from ablative.orchestrator.storing.trial_files import TrialFiles


class Students(TrialFiles):
    """The kept students of one study."""

    suffix = ".safetensors"
