"""One decoder per kind of Deribit message: structs in, columns of tables out. Each shows one raw message."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from workstation.feeds.deribit import messages, rows
from workstation.feeds.deribit.names import NAMES, OPTION
from workstation.market.errors import FrameError

Positions = npt.NDArray[np.intp]


class Rejection(NamedTuple):
    """A row of ``health`` about one frame."""

    at: int
    event: str
    detail: str
    repeats: int = 1


class Part(NamedTuple):
    """Columns of a table and the frame each row comes from."""

    table: str
    at: Positions
    columns: dict[str, Any]


class Group(NamedTuple):
    """Decoded messages of one kind, flattened, with the frame and the seen time of each."""

    structs: list[Any]
    at: Positions
    seen_ns: npt.NDArray[np.int64]


def decode_trades(group: Group) -> tuple[list[Part], list[Rejection]]:
    """Prints of ``trades.*`` and ``get_last_trades_by_*``, and the liquidations among them.

    One raw message::

        {"jsonrpc":"2.0","method":"subscription","params":{"channel":"trades.option.BTC.100ms","data":[
         {"trade_seq":212,"trade_id":"439435597","timestamp":1785546525278,"price":0.0008,"mark_price":0.00093647,
          "iv":13.35,"instrument_name":"BTC-1AUG26-63000-C","index_price":62892.69,"direction":"buy","amount":12.5,
          "block_trade_id":"BLOCK-282155","block_trade_leg_count":2,"combo_id":"BTC-STRD-1AUG26-63000"}]}}

    ``iv`` is in percent; ``amount`` in coin for options, in USD for coin-settled futures. A print of a combo itself is
    set aside: its legs print under their own names, and are counted there, once.
    """
    group, ids, rejections = _single(group)
    group, ids, unpriced = _priced(group, ids)
    rejections += unpriced
    if not group.structs:
        return [], rejections
    columns = rows.trades(group.structs, ids, group.seen_ns)
    parts = [Part("trades", group.at, columns)]
    if (columns["flags"] & rows.FORCED).any():
        at, forced = rows.liquidations(group.structs, ids, columns)
        parts.append(Part("liquidations", group.at[at], forced))
    return parts, rejections


def decode_tickers(group: Group) -> tuple[list[Part], list[Rejection]]:
    """Marks of ``ticker.*``, ``ticker`` and ``get_order_book``; quotes besides for what is no option.

    One raw message::

        {"jsonrpc":"2.0","method":"subscription","params":{"channel":"ticker.BTC-24SEP21-8000-P.raw","data":{
         "underlying_price":32366.75,"underlying_index":"BTC-24SEP21","timestamp":1626993722929,
         "stats":{"volume":10.1,"low":0.001,"high":0.001},"state":"open","open_interest":729.2,"mark_price":0.00090376,
         "mark_iv":142.78,"last_price":0.001,"instrument_name":"BTC-24SEP21-8000-P","index_price":32201.67,
         "greeks":{"vega":1.62145,"theta":-1.82613,"rho":-0.27934,"gamma":0.0,"delta":-0.00407},"bid_iv":133.0,
         "best_bid_price":0.0005,"best_bid_amount":153.1,"ask_iv":158.32,"best_ask_price":0.0015,"best_ask_amount":94.7}}}

    IV is in percent, vega and rho per point, theta per day; a side that is empty is 0.
    """
    group, ids, rejections = _single(group)
    if not group.structs:
        return [], rejections
    parts = [Part("marks", group.at, rows.marks(group.structs, ids, group.seen_ns))]
    linear = np.flatnonzero((NAMES.traits[ids] & OPTION) == 0)
    if linear.size:
        structs = [group.structs[row] for row in linear]
        columns = rows.quotes(structs, ids[linear], group.seen_ns[linear])
        parts.append(Part("quotes", group.at[linear], columns))
    return parts, rejections


def decode_quotes(group: Group) -> tuple[list[Part], list[Rejection]]:
    """Quotes of ``quote.{instrument}``.

    One raw message::

        {"jsonrpc":"2.0","method":"subscription","params":{"channel":"quote.BTC-PERPETUAL","data":{
         "timestamp":1567296000183,"instrument_name":"BTC-PERPETUAL","best_bid_price":9600.5,
         "best_bid_amount":162800,"best_ask_price":9601,"best_ask_amount":49710}}}
    """
    group, ids, rejections = _single(group)
    if not group.structs:
        return [], rejections
    return [Part("quotes", group.at, rows.quotes(group.structs, ids, group.seen_ns))], rejections


def decode_depths(group: Group) -> tuple[list[Part], list[Rejection]]:
    """Quotes of the best level of ``book.{instrument}.{group}.{depth}.{interval}``.

    One raw message::

        {"jsonrpc":"2.0","method":"subscription","params":{"channel":"book.BTC-PERPETUAL.none.1.100ms","data":{
         "timestamp":1554375447971,"instrument_name":"BTC-PERPETUAL","change_id":109615,
         "bids":[[5019.5,50.0]],"asks":[[5020.0,30.0]]}}}
    """
    return decode_quotes(group._replace(structs=rows.best_levels(group.structs)))


def decode_mark_prices(group: Group) -> tuple[list[Part], list[Rejection]]:
    """Marks (mark and IV only) of ``markprice.options.{index}``: the whole chain in one message.

    One raw message::

        {"jsonrpc":"2.0","method":"subscription","params":{"channel":"markprice.options.btc_usd","data":[
         {"timestamp":1622470378005,"mark_price":0.0333,"iv":0.9,"instrument_name":"BTC-2JUN21-37000-P"}]}}

    Here, and only here, ``iv`` is a fraction.
    """
    group, ids, rejections = _single(group)
    if not group.structs:
        return [], rejections
    return [Part("marks", group.at, rows.mark_prices(group.structs, ids, group.seen_ns))], rejections


def decode_index_prices(group: Group) -> tuple[list[Part], list[Rejection]]:
    """Marks of ``deribit_price_index.{index}``: a row of the index, named ``BTC/USD``.

    One raw message::

        {"jsonrpc":"2.0","method":"subscription","params":{"channel":"deribit_price_index.btc_usd","data":{
         "timestamp":1550588002899,"price":3937.89,"index_name":"btc_usd"}}}
    """
    return [Part("marks", group.at, rows.index_prices(group.structs, group.seen_ns))], []


def decode_summaries(group: Group) -> tuple[list[Part], list[Rejection]]:
    """Marks of ``get_book_summary_by_currency``: every instrument of a currency, without greeks.

    One raw line of the answer::

        {"mid_price":0.0007,"volume_usd":2.41,"quote_currency":"ETH","creation_timestamp":1704712781414,
         "base_currency":"ETH","underlying_index":"ETH-26JAN24","underlying_price":2241.65,"volume":1.0,
         "mark_iv":86.1,"mark_price":0.000853,"open_interest":965.0,"ask_price":0.001,"bid_price":0.0004,
         "instrument_name":"ETH-26JAN24-1200-P","last":0.0011,"estimated_delivery_price":2222.19}
    """
    group, ids, rejections = _single(group)
    if not group.structs:
        return [], rejections
    return [Part("marks", group.at, rows.summaries(group.structs, ids, group.seen_ns))], rejections


def decode_listings(group: Group) -> tuple[list[Part], list[Rejection]]:
    """Instruments of ``get_instruments``.

    One raw line of the answer::

        {"kind":"option","instrument_name":"BTC-24SEP21-40000-P","option_type":"put","strike":40000.0,
         "expiration_timestamp":1632470400000,"creation_timestamp":1606129458000,"contract_size":1.0,
         "base_currency":"BTC","quote_currency":"BTC","settlement_period":"month","tick_size":0.0005,"is_active":true}
    """
    group, ids, rejections = _single(group)
    if not group.structs:
        return [], rejections
    return [Part("instruments", group.at, rows.instruments(group.structs, ids, group.seen_ns))], rejections


def _single(group: Group) -> tuple[Group, rows.Ids, list[Rejection]]:
    """The messages that are about one instrument, its ids, and why the others are set aside."""
    ids = NAMES.ids(struct.instrument_name for struct in group.structs)
    known = NAMES.code[ids] >= 0
    if known.all():
        return group, ids, []
    aside: dict[tuple[int, str], int] = {}
    for row in np.flatnonzero(~known):
        key = (int(group.at[row]), NAMES.reasons[int(ids[row])])
        aside[key] = aside.get(key, 0) + 1
    rejections = [Rejection(at, "rejected", reason, count) for (at, reason), count in aside.items()]
    kept = np.flatnonzero(known)
    structs = [group.structs[row] for row in kept]
    return Group(structs, group.at[kept], group.seen_ns[kept]), ids[kept], rejections


def _priced(group: Group, ids: rows.Ids) -> tuple[Group, rows.Ids, list[Rejection]]:
    """Prints with a positive price, as those of a single instrument have; the others are set aside."""
    prices = [trade.price for trade in group.structs]
    if min(prices, default=1.0) > 0:
        return group, ids, []
    kept = np.flatnonzero(np.array(prices) > 0)
    rejections = [
        Rejection(
            int(group.at[row]),
            "rejected",
            f"field: price {price} of {group.structs[row].instrument_name} is not positive",
        )
        for row, price in enumerate(prices)
        if price <= 0
    ]
    return (
        Group([group.structs[row] for row in kept], group.at[kept], group.seen_ns[kept]),
        ids[kept],
        rejections,
    )


class Kind:
    """How the frames of one kind are decoded: the type of the data, where it stands, and the rows of it."""

    def __init__(
        self, data: Any, rows_of: Callable[[Group], tuple[list[Part], list[Rejection]]], flatten: str = ""
    ) -> None:
        notification = msgspec.defstruct(
            "Notification",
            [("params", msgspec.defstruct("Params", [("data", data), ("channel", str)], gc=False))],
            gc=False,
        )
        answer = msgspec.defstruct("Answer", [("result", data)], gc=False)
        self.rows_of = rows_of
        self._flatten = flatten
        self._pushed: msgspec.json.Decoder[Any] = msgspec.json.Decoder(list[notification])  # type: ignore[valid-type]
        self._answered: msgspec.json.Decoder[Any] = msgspec.json.Decoder(list[answer])  # type: ignore[valid-type]
        self._bare = msgspec.json.Decoder(list[data])

    def messages(self, payloads: Sequence[bytes], *, answers: bool) -> list[Any]:
        """The data of each payload. Raises ``FrameError``."""
        joined = b"[" + b",".join(payloads) + b"]"
        try:
            if not answers:
                found = [message.params.data for message in self._pushed.decode(joined)]
            elif all(b'"result"' in payload for payload in payloads):
                found = [message.result for message in self._answered.decode(joined)]
            else:
                found = self._bare.decode(joined)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise FrameError(words(error)) from error
        if len(found) != len(payloads):
            raise FrameError("json: more or fewer messages than frames")
        return found

    def flat(self, data: list[Any], at: Positions, seen_ns: npt.NDArray[np.int64]) -> Group:
        """Messages of all frames in one list."""
        if not self._flatten:
            return Group(data, at, seen_ns)
        lists = data if self._flatten == "list" else [getattr(one, self._flatten) for one in data]
        repeats = [len(each) for each in lists]
        return Group(
            [item for each in lists for item in each], np.repeat(at, repeats), np.repeat(seen_ns, repeats)
        )


def words(error: Exception) -> str:
    """A decoding error, told apart: a field that is wrong, or bytes that are no JSON."""
    text = str(error)
    kind = "field" if isinstance(error, msgspec.ValidationError) else "json"
    return f"{kind}: {text}"


TRADES = Kind(list[messages.Trade], decode_trades, "list")
PAST_TRADES = Kind(messages.Trades, decode_trades, "trades")
TICKERS = Kind(messages.Ticker, decode_tickers)
QUOTES = Kind(messages.Quote, decode_quotes)
DEPTHS = Kind(messages.Depth, decode_depths)
MARK_PRICES = Kind(list[messages.MarkPrice], decode_mark_prices, "list")
INDEX_PRICES = Kind(messages.IndexPrice, decode_index_prices)
SUMMARIES = Kind(list[messages.Summary], decode_summaries, "list")
LISTINGS = Kind(list[messages.Listing], decode_listings, "list")
