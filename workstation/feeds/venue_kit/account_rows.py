"""What every venue's account decoder shares: the request, what a decoder is told, units and times."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import numpy as np

from workstation.market.errors import FrameError
from workstation.market.symbology import parse, unified
from workstation.portfolio.positions import settlement_price

MILLISECOND = 1_000_000
Row = dict[str, Any]
Rows = dict[str, list[Row]]
"""Table -> rows of it."""


class Request(NamedTuple):
    """One private call: the channel its rows belong to, ccxt's implicit method, parameters."""

    channel: str
    """``positions``, ``fills``, ``balances`` or ``terms``."""
    method: str
    params: Mapping[str, Any]


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
    """

    venue: str
    account: str = ""
    seen_ns: int = 0
    sizes: dict[str, float] = field(default_factory=dict)

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
    """A number as the venues write them; NaN for nothing."""
    if value is None or value == "":
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        raise FrameError(f"{value!r} is no number") from None


def nanoseconds(milliseconds: Any) -> int:
    """A venue's time in ns."""
    value = number(milliseconds)
    if math.isnan(value):
        raise FrameError("a row without its time")
    return int(value) * MILLISECOND


def side_of(word: str) -> int:
    """+1 for buy and long, -1 for sell and short. Raises ``FrameError``."""
    lowered = str(word).lower()
    if lowered in ("buy", "long"):
        return 1
    if lowered in ("sell", "short"):
        return -1
    raise FrameError(f"side {word!r} is neither buy nor sell")


def name_of(symbol: str, venue: str) -> str:
    """The workstation's name of a venue's symbol. Raises ``SymbolError``."""
    return unified(symbol, venue)


def units(name: str, size: float, price: float) -> float:
    """Underlying units of a size as venues count it: the USD value of inverse futures divided by the price.

    Examples
    --------
    >>> units("BTC/USD:BTC", 7000.0, 70_000.0), units("BTC/USD:BTC-261225-100000-C", 2.0, 0.05)
    (0.1, 2.0)
    """
    terms = parse(name)
    inverse = terms.inverse and terms.kind in ("perpetual", "future")
    return size / price if inverse and size else size


def settle_currency(name: str) -> str:
    """Currency gains of an instrument come in."""
    terms = parse(name)
    return terms.settle or terms.quote


def position(
    reading: Reading, name: str, quantity: float, entry: float, mark: Any, index: Any, unrealised: Any
) -> Row:
    """One row of ``positions``, as of when the answer came."""
    return reading.row(reading.seen_ns, name) | {
        "quantity": quantity, "entry": entry, "mark": number(mark), "index": number(index), "unrealised": number(unrealised),
        "settle_currency": settle_currency(name),
    }  # fmt: skip


def settled_at(name: str, index: float) -> float:
    """What one unit settles at, in premium currency, at an index."""
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
    reading: Reading, at_ns: int, name: str, held: float, index: float, fill_id: str, fee: float = math.nan
) -> Row:
    """A settlement fill of a signed position in venue's size at an index."""
    return reading.row(at_ns, name) | {
        "side": -1 if held > 0 else 1, "price": settled_at(name, index), "size": abs(units(name, held, index)), "fee": fee,
        "fee_currency": settle_currency(name), "kind": "settlement", "index": index, "fill_id": fill_id,
    }  # fmt: skip


def funding(reading: Reading, at_ns: int, name: str, paid: float, fill_id: str, **fields: Any) -> Row:
    """A funding payment (positive = paid) as a fill."""
    plain: Row = {"side": 0, "price": 0.0, "size": 0.0, "fee": paid, "fee_currency": settle_currency(name)}
    return reading.row(at_ns, name) | plain | {"kind": "funding", "fill_id": fill_id} | fields


def balance(reading: Reading, at_ns: int, currency: str, total: Any, available: Any) -> Row:
    """One row of ``balances``."""
    return reading.row(at_ns) | {"currency": currency, "total": number(total), "available": number(available)}
