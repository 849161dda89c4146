"""Why a signal fired, in words: what was measured, and the threshold it had to pass."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from html import escape
from typing import Any, NamedTuple

import pandas as pd

from workstation.indicators.ticks.reversals import EVIDENCE, ReversalsParameters
from workstation.views.widgets import formats
from workstation.views.widgets.assets import asset

SIDES = {1: "▲ up", -1: "▼ down", 0: "–"}
RULES = ReversalsParameters()
"""The rules a desk runs; their thresholds are not among the numbers of a signal."""
_WAYS = {1: "up", -1: "down"}


class Reason(NamedTuple):
    """One condition of a rule: what was measured, its value, and what it had to pass (empty: it is only told)."""

    what: str
    value: str
    limit: str = ""


def reasons(version: int, side: int, evidence: str) -> list[Reason]:
    """The conditions of a signal's rule with its numbers (JSON); what has none of them is reported as it is.

    Examples
    --------
    >>> told = reasons(4, 1, '{"ema_fast": 101.5, "ema_slow": 101.2, "choppiness": 40.0, "volume": 50.0, "volume_mean": 20.0}')
    >>> [f"{reason.what}: {reason.value} {reason.limit}" for reason in told][1]
    'choppiness 14: 40 < 61.8'
    >>> reasons(1, 1, "manual")
    [Reason(what='evidence', value='manual', limit='')]
    """
    try:
        read = json.loads(evidence) if evidence else {}
    except ValueError:
        return [Reason("evidence", evidence)]
    if not isinstance(read, dict):
        return [Reason("evidence", evidence)]
    if side not in _WAYS or not set(EVIDENCE.get(version, ("unknown version",))) <= read.keys():
        return [Reason(str(name).replace("_", " "), _plain(value)) for name, value in read.items()]
    numbers = {name: float("nan") if value is None else float(value) for name, value in read.items()}
    return _TOLD[version](side, numbers)


REASONS_CSS = asset(__package__, "signal_reasons.css")
"""Of the table of conditions: said once, not in every cell of hundreds of signals on their way to the screen."""


def tooltip(title: str, told: list[Reason]) -> str:
    """A signal's tooltip as HTML."""
    return f"<b>{escape(title)}</b>{table(told)}"


def table(told: list[Reason]) -> str:
    """The conditions as rows of HTML, each with its threshold."""
    rows = "".join(
        f"<tr><td>{escape(what)}<td>{escape(value)}<td>{escape(limit)}" for what, value, limit in told
    )
    return f"<table class='reasons'>{rows}</table>"


def words(told: list[Reason]) -> str:
    """The conditions in one line."""
    return " · ".join(" ".join(part for part in reason if part) for reason in told)


# -- the rules --------------------------------------------------------------------------------------------


def _faded(side: int, held: Mapping[str, float]) -> list[Reason]:
    """v1."""
    way = _WAYS[-side]
    return [
        Reason("intensity fell to", _rate(held["smoothed"]), f"< peak − buffer = {_rate(held['peak'] - held['buffer'])}"),
        Reason("velocity", _rate(held["velocity"], signed=True), f"{'≤' if side < 0 else '≥'} 0: no longer {way}"),
        *_burst(way, held),
    ]  # fmt: skip


def _pulled_back(side: int, held: Mapping[str, float]) -> list[Reason]:
    """v2."""
    span = RULES.momentum
    return [
        Reason(
            f"pull-back from {formats.price(held['extreme'])}",
            _bps(held["pull_back_bps"]),
            f"> 1 sd of {span}-tick moves = {_bps(held['sd_bps'])}",
        ),
        Reason(
            f"move of {span} ticks",
            _bps(held["momentum_bps"], signed=True),
            f"{'<' if side < 0 else '>'} 0: {_WAYS[side]}",
        ),
        *_burst(_WAYS[-side], held),
    ]


def _confirmed(side: int, held: Mapping[str, float]) -> list[Reason]:
    """v3."""
    towards, agreed = ("<", "≤") if side < 0 else (">", "≥"), held["high_slope"] * side >= 0
    slow = Reason(
        f"slope of EMA {RULES.slow}, {RULES.high}",
        _number(held["high_slope"], signed=True),
        f"{towards[1]} 0: not against it" if agreed else "against it, but price is stretched",
    )
    stretched = Reason(
        "price beyond that EMA",
        _number(held["beyond"]),
        f"> {RULES.stretch:g} ATR {RULES.atr} = {_number(RULES.stretch * held['atr'])}",
    )
    return [
        Reason(
            "v1 held for",
            _seconds(held["held_seconds"]),
            f"≤ {_seconds(pd.Timedelta(RULES.hold).total_seconds())}",
        ),
        Reason(
            f"slope of EMA {RULES.fast}, {RULES.low}",
            _number(held["low_slope"], signed=True),
            f"{towards[0]} 0: {_WAYS[side]}",
        ),
        slow,
        *([] if agreed else [stretched]),
        _volume(RULES.volume_factor, "≥", held),
    ]


def _crossed(side: int, held: Mapping[str, float]) -> list[Reason]:
    """v4."""
    return [
        Reason(
            f"EMA {RULES.fast}, {RULES.low}",
            _number(held["ema_fast"]),
            f"crossed {'below' if side < 0 else 'above'} EMA {RULES.slow} = {_number(held['ema_slow'])}",
        ),
        Reason(
            f"choppiness {RULES.choppiness}", _number(held["choppiness"]), f"< {RULES.choppiness_below:g}"
        ),
        _volume(RULES.volume_over, ">", held),
    ]


_TOLD: Mapping[int, Callable[[int, Mapping[str, float]], list[Reason]]] = {
    1: _faded, 2: _pulled_back, 3: _confirmed, 4: _crossed,
}  # fmt: skip


def _burst(way: str, held: Mapping[str, float]) -> list[Reason]:
    """The burst that armed v1 and v2; its threshold moves with the baseline and is reported as it was at the signal."""
    mean, buffer = held["mean_base"], held["buffer"]
    return [
        Reason(
            f"peak of the burst {way}",
            _rate(held["peak"]),
            f"mean {_number(mean)} + buffer {_number(buffer)} = {_rate(mean + buffer)} now",
        ),
        Reason("burst lasted", _seconds(held["burst_seconds"])),
    ]


def _volume(factor: float, beyond: str, held: Mapping[str, float]) -> Reason:
    usual = held["volume_mean"]
    return Reason(
        f"volume, {RULES.low} candle",
        formats.si(held["volume"]),
        f"{beyond} {factor:g} × mean of {RULES.volume} = {formats.si(factor * usual)}",
    )


# -- numbers ----------------------------------------------------------------------------------------------


def _plain(value: Any) -> str:
    if value is None:
        return formats.UNKNOWN
    return _number(value) if isinstance(value, float) else str(value)


def _number(value: float, signed: bool = False) -> str:
    size = abs(value)
    text = formats.number(value, 1 if size >= 1000 else 2 if size >= 10 else 3 if size >= 0.1 else 5, signed)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _rate(value: float, signed: bool = False) -> str:
    return f"{_number(value, signed)}{formats.THIN}bps/s"


def _bps(value: float, signed: bool = False) -> str:
    return f"{_number(value, signed)}{formats.THIN}bps"


def _seconds(value: float) -> str:
    return f"{formats.number(value, 1).removesuffix('.0')}{formats.THIN}s"
