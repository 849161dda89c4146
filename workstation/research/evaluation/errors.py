"""Errors of an evaluation."""

from __future__ import annotations

from workstation.market.errors import WorkstationError


class EvaluationError(WorkstationError, ValueError):
    """Signals or prices cannot be evaluated; the message names the part and the remedy."""


class LookAheadError(EvaluationError):
    """A signal tells what was not known at its moment."""
