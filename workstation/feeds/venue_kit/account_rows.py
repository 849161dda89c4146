"""What every venue's account decoder shares: the request, what a decoder is told, units and times."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeGuard

import msgspec
import numpy as np

from workstation.market.errors import FrameError, SymbolError
from workstation.market.instants import MILLISECOND_NS
from workstation.market.symbology import parse, unified
from workstation.portfolio.positions import settlement_price

EARLIEST_NS, LATEST_NS = 631_152_000_000_000_000, 4_102_444_800_000_000_000
"""1990 and 2100; a time outside is none."""
LONGEST = 60
"""Characters of a value that are shown in a message."""
MOST_MODES = 10_000
"""Margin modes of fills that are remembered."""
Row = dict[str, Any]
Rows = dict[str, list[Row]]
"""Table -> rows of it."""


class Request(NamedTuple):
    """One private call: the channel its rows belong to, ccxt's implicit method, parameters."""

    channel: str
    """``positions``, ``fills``, ``balances`` or ``terms``."""
    method: str
    params: Mapping[str, Any]


class Unread(NamedTuple):
    """One item of an answer that cannot be read."""

    symbol: str
    """As the venue writes it; empty where none can be read."""
    problem: str


@dataclass
class Reading:
    """What a decoder may know beyond the answer.

    Attributes
    ----------
    venue, account
        Written into every row.
    seen_ns
        When the answer came; the time of rows without their own.
    sizes
        Venue symbol -> underlying units (or USD value) per contract; filled by ``terms`` answers.
    unlisted
        Venue symbol -> when its size was asked for in vain, ns.
    two_sided
        Venue symbols whose long and short are kept apart (hedge mode), as their positions tell.
    modes
        Margin mode of fills by bill id, where a venue tells it apart from the fill; the newest ``MOST_MODES``.
    unread
        Takes the items that cannot be read; None: the first of them is raised.
    """

    venue: str
    account: str = ""
    seen_ns: int = 0
    sizes: dict[str, float] = field(default_factory=dict)
    unlisted: dict[str, int] = field(default_factory=dict)
    two_sided: set[str] = field(default_factory=set)
    modes: dict[str, str] = field(default_factory=dict)
    unread: list[Unread] | None = None

    def tell_mode(self, bill: str, mode: str) -> None:
        """Remember the margin mode of a fill."""
        self.modes[bill] = mode
        while len(self.modes) > MOST_MODES:
            del self.modes[next(iter(self.modes))]

    def row(self, table_time_ns: int, name: str = "") -> Row:
        """The columns every row has."""
        stamp: Row = {
            "event_ns": table_time_ns,
            "seen_ns": self.seen_ns,
            "venue": self.venue,
            "account": self.account,
        }
        return stamp | ({"instrument": name} if name else {})


Decoder = Callable[[Any, Reading], Rows]


class Venue(NamedTuple):
    """How one venue's account is read.

    Attributes
    ----------
    requests
        ``requests(currencies, since_ms)``: the calls of one poll, ``terms`` left out.
    terms
        ``terms(rows of raw symbols)``: calls that tell contract sizes of symbols not yet known.
    decoders
        ccxt method -> decoder of its answer.
    more
        ``more(answer, params)``: parameters of the next page, None when there is none.
    urls
        ``urls(base)``: ccxt's api addresses at one base, for a local server.
    currencies
        Asked for by default.
    """

    requests: Callable[[Sequence[str], int], list[Request]]
    decoders: Mapping[str, Decoder]
    more: Callable[[str, Any, Mapping[str, Any]], Mapping[str, Any] | None]
    urls: Callable[[str], dict[str, Any]]
    currencies: tuple[str, ...] = ()
    terms: Callable[[str, Any, Reading], list[Request]] = lambda method, answer, reading: []


def answer_of(payload: bytes) -> Any:
    """An answer as Python values. Raises ``FrameError``."""
    try:
        return msgspec.json.decode(payload)
    except msgspec.DecodeError as error:
        raise FrameError(f"no JSON: {error}; it begins {payload[:80]!r}") from error


def number(value: Any) -> float:
    """A number as the venues write them; NaN for nothing. Raises ``FrameError`` for what is no finite number."""
    if value is None or value == "":
        return math.nan
    try:
        found = math.nan if isinstance(value, bool | list | dict) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise FrameError(f"{shown(value)} is no number")
    return found


def amount(item: Mapping[str, Any], name: str) -> float:
    """A number that has to be there. Raises ``FrameError``."""
    found = number(item.get(name))
    if math.isnan(found):
        raise FrameError(f"no {name}")
    return found


def word(value: Any) -> str:
    """Text or a whole number as text; empty for nothing. Raises ``FrameError`` for anything else."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise FrameError(f"{shown(value)} is no text")


def text(item: Mapping[str, Any], name: str) -> str:
    """Text that has to be there. Raises ``FrameError``."""
    found = word(item.get(name))
    if not found:
        raise FrameError(f"no {name}")
    return found


def shown(value: Any) -> str:
    """A value as it came, cut to a length that fits a message."""
    written = repr(value)
    return written if len(written) <= LONGEST else f"{written[:LONGEST]}..."


def listed(answer: Any, *path: str) -> list[Any]:
    """The list at a path of an answer. Raises ``FrameError`` that names the part that is not there."""
    found, walked = answer, "the answer"
    for name in path:
        if not isinstance(found, dict) or name not in found:
            raise FrameError(f"{walked} has no {name!r}")
        found, walked = found[name], name
    if not isinstance(found, list):
        raise FrameError(f"{walked} is no list: {shown(found)}")
    return found


def each_row(
    items: Sequence[Any], reading: Reading, make: Callable[[Mapping[str, Any]], Row | None], symbol: str
) -> list[Row]:
    """Rows of the items that can be read; the others go to ``reading.unread``, by their symbol.

    Parameters
    ----------
    items
        As they came.
    make
        Gives an item's row, None for one that is no row of ours.
    symbol
        Field that names an item.

    Raises
    ------
    FrameError
        An item that cannot be read, when ``reading.unread`` is None.
    """
    rows = []
    for item in items:
        try:
            if not isinstance(item, dict):
                raise FrameError(f"{shown(item)} is no object")
            row = make(item)
        except (FrameError, SymbolError) as error:
            if reading.unread is None:
                raise
            named = item.get(symbol) if isinstance(item, dict) else None
            reading.unread.append(Unread(named if isinstance(named, str) else "", str(error)))
            continue
        if row is not None:
            rows.append(row)
    return rows


def nanoseconds(milliseconds: Any) -> int:
    """A venue's time in ns. Raises ``FrameError`` outside 1990 to 2100."""
    value = number(milliseconds)
    if math.isnan(value):
        raise FrameError("a row without its time")
    found = int(value) * MILLISECOND_NS
    if not EARLIEST_NS <= found < LATEST_NS:
        raise FrameError(f"{shown(milliseconds)} ms is no time between 1990 and 2100")
    return found


def side_of(told: Any) -> int:
    """+1 for buy and long, -1 for sell and short. Raises ``FrameError``."""
    lowered = told.lower() if isinstance(told, str) else ""
    if lowered in ("buy", "long"):
        return 1
    if lowered in ("sell", "short"):
        return -1
    raise FrameError(f"side {shown(told)} is neither buy nor sell")


def mode_of(told: Any) -> str:
    """``cross`` or ``isolated`` as venues write it, empty for nothing. Raises ``FrameError``."""
    lowered = word(told).lower()
    found = {"": "", "cross": "cross", "crossed": "cross", "isolated": "isolated"}.get(lowered)
    if found is None:
        raise FrameError(f"margin mode {shown(told)} is neither cross nor isolated")
    return found


def name_of(symbol: Any, venue: str) -> str:
    """The workstation's name of a venue's symbol. Raises ``SymbolError``, ``FrameError`` for what is no text."""
    if not isinstance(symbol, str):
        raise FrameError(f"symbol {shown(symbol)} is no text")
    return unified(symbol, venue)


def has_name(symbol: Any, venue: str) -> TypeGuard[str]:
    """Whether a venue's symbol can be read."""
    try:
        name_of(symbol, venue)
    except (FrameError, SymbolError):
        return False
    return True


def contracts(symbol: str, count: float, reading: Reading) -> float:
    """Size of a number of contracts, by the size the venue told. Raises ``FrameError`` where it told none."""
    if symbol not in reading.sizes:
        raise FrameError(
            f"{symbol}: its contract size is not known; the venue's list of contracts did not tell it"
        )
    return count * reading.sizes[symbol]


def units(name: str, size: float, price: float) -> float:
    """Underlying units of a size as venues count it: the USD value of inverse futures divided by the price.

    Examples
    --------
    >>> units("BTC/USD:BTC", 7000.0, 70_000.0), units("BTC/USD:BTC-261225-100000-C", 2.0, 0.05)
    (0.1, 2.0)
    """
    terms = parse(name)
    inverse = terms.inverse and terms.kind in ("perpetual", "future")
    if inverse and size and not price > 0.0:
        raise FrameError(f"{name}: {size:g} USD at a price of {price:g} are no quantity")
    return size / price if inverse and size else size


def settle_currency(name: str) -> str:
    """Currency gains of an instrument come in."""
    terms = parse(name)
    return terms.settle or terms.quote


def position(
    reading: Reading,
    name: str,
    quantity: float,
    entry: float,
    *,
    told: tuple[Any, Any, Any],
    side: str = "",
    mode: str = "",
) -> Row:
    """One row of ``positions``, as of when the answer came; ``told`` is mark, index and unrealised PnL."""
    mark, index, gain = told
    return reading.row(reading.seen_ns, name) | {
        "quantity": quantity, "entry": entry, "mark": number(mark), "index": number(index), "unrealised": number(gain),
        "settle_currency": settle_currency(name), "position_side": side, "margin_mode": mode,
    }  # fmt: skip


KEY = ("instrument", "account", "position_side", "margin_mode")
"""What names a position of one venue."""


def key_of(row: Row) -> tuple[str, ...]:
    """What names a row's position."""
    return tuple(row[name] for name in KEY)


def whole(rows: Sequence[Row]) -> list[Row]:
    """Rows of one answer, one per position: a long and a short that came without their side get it, the rest is summed.

    The entry of a sum is the average cost, so that the unrealised PnL is the sum of the parts'.
    """
    met: dict[tuple[str, ...], set[bool]] = {}
    for row in rows:
        if not row["position_side"]:
            met.setdefault(key_of(row), set()).add(row["quantity"] > 0.0)
    found: dict[tuple[str, ...], Row] = {}
    for row in rows:
        if len(met.get(key_of(row), ())) > 1:
            row = row | {"position_side": "long" if row["quantity"] > 0.0 else "short"}
        before = found.get(key_of(row))
        found[key_of(row)] = row if before is None else _summed(before, row)
    return list(found.values())


def _summed(one: Row, other: Row) -> Row:
    quantity = one["quantity"] + other["quantity"]
    cost = one["quantity"] * one["entry"] + other["quantity"] * other["entry"]
    gain = one["unrealised"] + other["unrealised"]
    return one | {
        "quantity": quantity,
        "entry": cost / quantity if quantity else math.nan,
        "unrealised": gain,
    }


def settled_at(name: str, index: float) -> float:
    """What one unit settles at, in premium currency, at an index. Raises ``FrameError`` for an index that is none."""
    if not index > 0.0:
        raise FrameError(f"{name} cannot settle at an index of {index:g}")
    terms = parse(name)
    price = settlement_price(
        index=np.array([index]),
        strike=np.array([terms.strike if terms.strike is not None else math.nan]),
        is_call=np.array([terms.right == "C"]),
        is_option=np.array([terms.kind == "option"]),
        inverse=np.array([terms.inverse]),
    )
    return float(price[0])


def settlement(
    reading: Reading, at_ns: int, name: str, held: float, index: float, fill_id: str, **fields: Any
) -> Row:
    """A settlement fill of a signed position in venue's size at an index."""
    return reading.row(at_ns, name) | {
        "side": -1 if held > 0 else 1, "price": settled_at(name, index), "size": abs(units(name, held, index)), "fee": math.nan,
        "fee_currency": settle_currency(name), "kind": "settlement", "index": index, "fill_id": fill_id,
    } | fields  # fmt: skip


def funding(reading: Reading, at_ns: int, name: str, paid: float, fill_id: str, **fields: Any) -> Row:
    """A funding payment (positive = paid) as a fill."""
    plain: Row = {"side": 0, "price": 0.0, "size": 0.0, "fee": paid, "fee_currency": settle_currency(name)}
    return reading.row(at_ns, name) | plain | {"kind": "funding", "fill_id": fill_id} | fields


def balance(reading: Reading, currency: str, total: float, available: Any) -> Row:
    """One row of ``balances``, as of when the answer came."""
    return reading.row(reading.seen_ns) | {
        "currency": currency,
        "total": total,
        "available": number(available),
    }
