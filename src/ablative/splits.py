"""The meaning of a split's name, for every room."""

SHIFTED = "test_shifted"
"""Stands for all shifted tests of a task."""
CORRECTED = "_corrected"
"""Ends the name of val or test with labels that were corrected later."""


def is_shifted(split: str) -> bool:
    """Return whether a split is a shifted test; val and test with corrected labels (`test_corrected`) are not."""
    return split.startswith("test_") and not split.endswith(CORRECTED)


def is_corrected(split: str) -> bool:
    """Return whether a split is val or test with labels that were corrected later."""
    return split in (f"val{CORRECTED}", f"test{CORRECTED}")
