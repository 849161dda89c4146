"""Which columns a LEAN file has: by security type, resolution and kind, as LEAN itself writes and reads them.

After LEAN's ``LeanData.GenerateLine`` and the constructors of ``Tick``. Hourly and daily files have the columns of
minute bars behind a date and time instead of milliseconds of the day.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from workstation.market.errors import FrameError
from workstation.market.instants import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS

SECURITIES = (
    "equity", "option", "indexoption", "index", "forex", "cfd", "futureoption", "future", "cryptofuture", "crypto",
)  # fmt: skip
OPTIONS = frozenset({"option", "indexoption", "futureoption"})
SCALED = frozenset({"equity", "option", "indexoption"})
"""Prices are written as whole ten-thousandths."""
SIGNED = frozenset({"future", "index", "cfd"})
"""Prices may be zero or negative (crude oil of 20 April 2020)."""
TEXTS = ("exchange", "condition", "suspicious")
TICKS_OF = {"second": SECOND_NS, "minute": MINUTE_NS, "hour": HOUR_NS, "daily": DAY_NS}
"""Nanoseconds of a bar."""

_PRINT = ("time", "price", "size")
_SIDES = ("time", "bid", "bid_size", "ask", "ask_size")
_TAPE = ("exchange", "condition", "suspicious")
_VENUE = ("exchange", "suspicious")
_TRADE_BAR = ("time", "open", "high", "low", "close", "volume")
_QUOTE_BAR = (
    "time", "bid_open", "bid_high", "bid_low", "bid", "bid_size", "ask_open", "ask_high", "ask_low", "ask", "ask_size",
)  # fmt: skip
_INTEREST = ("time", "open_interest")


@dataclass(frozen=True)
class Layout:
    """Columns of a file's lines; a line may end after the first ``least`` of them."""

    columns: tuple[str, ...]
    least: int
    whole: bool = False
    """Whether all numbers are whole, as LEAN writes scaled prices and shares; what is not is read all the same."""

    @property
    def numbers(self) -> tuple[str, ...]:
        """Columns that hold numbers, without the time."""
        return tuple(name for name in self.columns[1:] if name not in TEXTS)


def _full(columns: tuple[str, ...]) -> Layout:
    return Layout(columns, len(columns))


def _tick_layouts() -> dict[tuple[str, str], Layout]:
    layouts = {
        ("equity", "trade"): Layout(_PRINT + _TAPE, 3),
        ("equity", "quote"): Layout(_SIDES + _TAPE, 5),
        ("index", "trade"): _full(_PRINT + _TAPE),
    }
    for security in (*OPTIONS, "future"):
        layouts[security, "trade"] = _full(_PRINT + _TAPE)
        layouts[security, "quote"] = _full(_SIDES + _VENUE)
        layouts[security, "openinterest"] = _full(_INTEREST)
    for security in ("crypto", "cryptofuture"):
        layouts[security, "trade"] = Layout((*_PRINT, "suspicious"), 3)
        layouts[security, "quote"] = Layout((*_SIDES, "suspicious"), 5)
    for security in ("forex", "cfd"):
        layouts[security, "quote"] = _full(("time", "bid", "ask"))
    return layouts


_TICKS = _tick_layouts()
_BARS = {"trade": _full(_TRADE_BAR), "quote": _full(_QUOTE_BAR), "openinterest": _full(_INTEREST)}
_BAR_KINDS = {"index": ("trade",), "forex": ("quote",), "cfd": ("quote",), "equity": ("trade", "quote")} | {
    "crypto": ("trade", "quote"), "cryptofuture": ("trade", "quote"),
}  # fmt: skip
_ALL = ("trade", "quote", "openinterest")


def layout_of(security: str, resolution: str, kind: str) -> Layout:
    """The columns of a file.

    Raises
    ------
    FrameError
        LEAN writes no such files.

    Examples
    --------
    >>> layout_of("option", "tick", "quote").columns[-2:], layout_of("equity", "tick", "quote").columns[-2:]
    (('exchange', 'suspicious'), ('condition', 'suspicious'))
    """
    if resolution == "tick":
        layout = _TICKS.get((security, kind))
    else:
        layout = _BARS[kind] if kind in _BAR_KINDS.get(security, _ALL) else None
    if layout is None:
        raise FrameError(f"LEAN has no {resolution} {kind} files of {security}")
    return replace(layout, whole=security in SCALED)
