"""Errors that the command line prints without a traceback, with exit status 2."""

from __future__ import annotations

from ablative.errors import AblativeError


class OrchestratorError(AblativeError):
    """An error that the user can fix; the message says what was found and what to do."""


class StoreError(OrchestratorError):
    """Records cannot be read or written."""


class LedgerError(OrchestratorError):
    """A gate's ledger has nothing left to spend, or is unreadable."""


class ClusterError(OrchestratorError):
    """No cluster, or one without the resources that the study asks for."""


class BudgetError(OrchestratorError):
    """An unreadable budget."""


class UnknownStudyError(OrchestratorError):
    """A study that is neither shipped, nor a file, nor in the store."""
