"""What the command line prints without a traceback, with exit status 2."""

from __future__ import annotations

from ablative.errors import AblativeError


class OrchestratorError(AblativeError):
    """A mistake or a hindrance that the person can act on; the message says what was found and what to do."""


class StoreError(OrchestratorError):
    """Records cannot be read or written."""


class LedgerError(OrchestratorError):
    """A gate's ledger has nothing left to spend, or cannot say what was spent."""


class ClusterError(OrchestratorError):
    """No cluster, or not the resources that the study asks for."""


class BudgetError(OrchestratorError):
    """A budget that cannot be read."""


class UnknownStudyError(OrchestratorError):
    """A study that is neither shipped, nor a file, nor in the store."""
