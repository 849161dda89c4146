"""Counts of signals: what became of them, who abstained and why, why those that were wrong were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from workstation.research.evaluation.false_alarms import HIT, REASONS, UNMEASURED
from workstation.research.evaluation.forward_returns import OUTCOMES
from workstation.research.evaluation.signals import Signals

Masks = Sequence[npt.NDArray[np.bool_]]


def abstentions(read: Signals, masks: Masks) -> dict[str, Any]:
    """Signals, abstentions and their reasons per group."""
    reasons = sorted({str(reason) or "not said" for reason in read.reason[read.abstained]})
    told = np.array([str(reason) or "not said" for reason in read.reason], dtype=object)
    signals = np.array([int(mask.sum()) for mask in masks])
    abstained = np.array([int((mask & read.abstained).sum()) for mask in masks])
    by_reason = [
        [int((mask & read.abstained & (told == reason)).sum()) for reason in reasons] for mask in masks
    ]
    return {
        "signals": signals,
        "abstained": abstained,
        "abstention_rate": np.where(signals > 0, abstained / np.maximum(signals, 1), np.nan),
        "abstentions": np.array(by_reason, dtype=np.int64).reshape(len(masks), len(reasons)),
        "abstention_reason": np.array(reasons, dtype=object),
    }


def outcomes(outcome: npt.NDArray[np.int8], sided: npt.NDArray[np.bool_], masks: Masks) -> dict[str, Any]:
    """What became of the signals with a side, per group and horizon."""
    made = np.zeros((len(masks), outcome.shape[1], len(OUTCOMES)), dtype=np.int64)
    for group, mask in enumerate(masks):
        for at in range(outcome.shape[1]):
            made[group, at] = np.bincount(outcome[mask & sided, at], minlength=len(OUTCOMES))
    return {"outcomes": made}


def false_alarms(reasons: npt.NDArray[np.int8], masks: Masks) -> dict[str, Any]:
    """Precision, and the signals that were no hit by reason, per group and horizon."""
    made = np.zeros((len(masks), reasons.shape[1], len(REASONS)), dtype=np.int64)
    precision = np.full(made.shape[:2], np.nan)
    for group, mask in enumerate(masks):
        for at in range(reasons.shape[1]):
            told = reasons[mask, at]
            made[group, at] = [int((told == number).sum()) for number in range(len(REASONS))]
            measured = int((told != UNMEASURED).sum())
            if measured:
                precision[group, at] = int((told == HIT).sum()) / measured
    return {"precision": precision, "false_alarms": made}
