"""Columns of a batch of trades, and what engines ask of them, found once per batch."""

from __future__ import annotations

import warnings
import weakref
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.indicators.batch.by_instrument import ScratchArrays, TradeArrays, TradeGroups, group_trades
from workstation.indicators.batch.instrument_order import InstrumentOrder
from workstation.market.engine import conformed
from workstation.market.errors import TableError
from workstation.market.instants import AHEAD_NS
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.instruments import REGISTRY
from workstation.market.tables import NO_TIME, TRADES, TradeFlag
from workstation.market.tables.frames import arrays_of
from workstation.market.tables.ranges import below_zero
from workstation.numerics.typed_kernel import TypedKernel


class TradeColumns(NamedTuple):
    """Arrays of one batch, not copied, in row order.

    ``codes`` are the instruments'; ``trades``: the numbers; ``alone``: all rows are of one instrument; ``ordered``: in the
    order of ``event_ns``; ``plain``: no row has a flag or a side; ``cancels``: rows that take a trade back; ``oldest_ns``,
    ``newest_ns``: the smallest and largest ``event_ns``; ``seen_ns``: when rows were received; ``ahead``: rows that were set aside (``TradeReader.live``); ``venue``
    and ``trade_id`` are extension arrays; ``found`` is what engines found of the batch, by who asked.
    """

    codes: npt.NDArray[Any]
    trades: TradeArrays
    trade_id: Any
    venue: Any
    alone: bool
    ordered: bool
    plain: bool
    cancels: npt.NDArray[np.int64]
    oldest_ns: int
    newest_ns: int
    seen_ns: npt.NDArray[np.int64]
    ahead: int
    found: dict[Any, Any]

    @property
    def event_ns(self) -> npt.NDArray[np.int64]:
        """Times of the rows."""
        return self.trades.event_ns


_NUMBERS = tuple(TRADES.places[name] for name in TradeArrays._fields)
_TRADE_ID, _VENUE = TRADES.places["trade_id"], TRADES.places["venue"]
_SEQ, _EVENT, _SEEN = (TRADES.places[name] for name in ("seq", "event_ns", "seen_ns"))
_INSTRUMENT = TRADES.places["instrument"]
LOOK = 1024
CODE_TYPES = ("int8", "int16", "int32", "int64")
"""Dtypes of instrument codes: pandas holds them in the narrowest that holds all instruments."""
_NO_ROWS = np.empty(0, dtype=np.int64)


class TradeReader:
    """Reads batches of trades for the engines it is given to: what they ask of a batch is found once for all of them.

    Engines made without one have their own. Those that share one are run by one thread at a time, as those of a hub are.

    Attributes
    ----------
    first_order
        The order of instruments that every engine begins with: of none.
    """

    def __init__(self) -> None:
        self.first_order = InstrumentOrder(np.empty(0, dtype=np.int32))
        self._newest: tuple[weakref.ref[pd.DataFrame], TradeColumns] | None = None
        self._scratch = ScratchArrays(*((kind, 0) for kind in ("int64",) * 4 + ("float64",) * 2))
        self._flags = ScratchArrays(("int8", 0), ("int32", 0))
        self._counts = np.zeros(0, dtype=np.int64)
        self._groups: TradeGroups | None = None
        self._zeros = np.zeros(0, dtype=np.int8), np.zeros(0, dtype=np.int32)

    def columns(self, trades: pd.DataFrame) -> TradeColumns:
        """Columns of a conformed batch, which is not changed in place from then on; prints that are ``VOID`` are left out.

        Examples
        --------
        >>> batch = TRADES.conform(pd.DataFrame({"event_ns": [5, 4], "instrument": "X", "price": 1.0, "size": 1.0}))
        >>> reader = TradeReader()
        >>> reader.columns(batch).newest_ns, reader.columns(batch) is reader.columns(batch)
        (5, True)
        """
        held = self._newest
        if held is not None and held[0]() is trades:
            return held[1]
        columns = self._read(trades)
        self._newest = weakref.ref(trades, self._let_go), columns
        return columns

    def live(self, trades: pd.DataFrame) -> TradeColumns:
        """As ``columns``, without the rows dated more than ``AHEAD_NS`` after they were received.

        One such row would move the watermark for good. Rows of which it is not known when they were received are kept.

        Examples
        --------
        >>> batch = TRADES.conform(pd.DataFrame({
        ...     "event_ns": [1, 3600 * 10**9, 9], "seen_ns": [2, 5, 0], "instrument": "X", "price": 1.0, "size": 1.0}))
        >>> columns = TradeReader().live(batch)
        >>> columns.event_ns.tolist(), columns.ahead
        ([1, 9], 1)
        """
        columns = self.columns(trades)
        held: TradeColumns | None = columns.found.get(TradeReader)
        if held is None:
            event_ns, seen_ns = columns.event_ns, columns.seen_ns
            ahead = count_ahead(event_ns, seen_ns, AHEAD_NS)
            held = columns
            if ahead:
                arrays = arrays_of(trades)
                believed = (arrays[_SEEN] <= 0) | (arrays[_EVENT] - arrays[_SEEN] <= AHEAD_NS)
                held = self._read(TRADES.take(trades, np.flatnonzero(believed)))._replace(ahead=ahead)
            columns.found[TradeReader] = held
        return held

    def counts(self, trades: pd.DataFrame) -> npt.NDArray[np.bool_]:
        """Which rows of a conformed batch ``live`` gives.

        Examples
        --------
        >>> batch = TRADES.conform(pd.DataFrame({
        ...     "event_ns": [1, 3600 * 10**9], "seen_ns": [2, 5], "instrument": "X", "price": 1.0, "size": 1.0}))
        >>> TradeReader().counts(batch).tolist()
        [True, False]
        """
        arrays = arrays_of(trades)
        believed: npt.NDArray[np.bool_] = (arrays[_SEEN] <= 0) | (arrays[_EVENT] - arrays[_SEEN] <= AHEAD_NS)
        valid: npt.NDArray[np.bool_] = (arrays[TRADES.places["flags"]] & int(TradeFlag.VOID)) == 0
        return np.logical_and(believed, valid)

    def groups(self, columns: TradeColumns) -> TradeGroups:
        """A batch by instrument; its arrays are written anew for the reader's next batch.

        Examples
        --------
        >>> batch = TRADES.conform(pd.DataFrame({
        ...     "event_ns": [5, 6, 7], "instrument": ["X", "Y", "X"], "price": [1.0, 2.0, 3.0], "size": 1.0}))
        >>> reader = TradeReader()
        >>> groups = reader.groups(reader.columns(batch))
        >>> groups.rows[:3].tolist(), groups.offsets.tolist(), groups.trades.price[:3].tolist()
        ([0, 2, 1], [0, 2, 3], [1.0, 3.0, 2.0])
        """
        groups: TradeGroups | None = columns.found.get(TradeGroups)
        if groups is None or groups is not self._groups:
            groups = columns.found[TradeGroups] = self._groups = self._grouped(columns)
        return groups

    def _let_go(self, gone: weakref.ref[pd.DataFrame]) -> None:
        """Hold no columns of a frame that nobody holds."""
        if self._newest is not None and self._newest[0] is gone:
            self._newest = None

    def _read(self, trades: pd.DataFrame) -> TradeColumns:
        arrays = arrays_of(trades)
        codes = category_codes(arrays[_INSTRUMENT])
        event_ns, price, size, side, flags = (as_kernel_array(arrays[position]) for position in _NUMBERS)
        alone, bits, sided = look_through(codes, flags, side) if codes.size else (True, 0, False)
        if bits & int(TradeFlag.VOID):
            return self._read(TRADES.take(trades, np.flatnonzero(flags & int(TradeFlag.VOID) == 0)))
        cancels = np.flatnonzero(flags & int(TradeFlag.CANCEL)) if bits & int(TradeFlag.CANCEL) else _NO_ROWS
        ordered = in_order(event_ns)
        oldest_ns, newest_ns = _time_range(event_ns, ordered)
        return TradeColumns(
            codes, TradeArrays(event_ns, price, size, side, flags), arrays[_TRADE_ID], arrays[_VENUE], alone, ordered,
            not bits and not sided, cancels, int(oldest_ns), int(newest_ns),
            as_kernel_array(arrays[_SEEN]), 0, {},
        )  # fmt: skip

    def _grouped(self, columns: TradeColumns) -> TradeGroups:
        many = columns.codes.size
        rows, codes, offsets, event_ns, price, size = self._scratch.of(many + 1)
        if self._counts.size < len(REGISTRY):
            self._counts = np.zeros(2 * len(REGISTRY), dtype=np.int64)
        side, flags = self._no_flags(many) if columns.plain else self._flags.of(many)
        out = TradeGroups(rows, codes, offsets, TradeArrays(event_ns, price, size, side, flags))
        found = _GROUP_TRADES[columns.codes.dtype.char](
            columns.codes, self._counts, columns.trades, columns.plain, out
        )
        return TradeGroups(rows, codes[:found], offsets[: found + 1], out.trades)

    def _no_flags(self, rows: int) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int32]]:
        """No side and no flag; never written to."""
        if self._zeros[0].size < rows:
            self._zeros = np.zeros(2 * rows, dtype=np.int8), np.zeros(2 * rows, dtype=np.int32)
        return self._zeros


def as_kernel_array(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """An input of kernels as the one type they are compiled for: contiguous and, in its type, writeable.

    Kernels write to no input. Frames that come from files or from pandas hold read-only memory, which is another type to the
    compiler: each kernel would be compiled once more.
    """
    if not array.flags.c_contiguous:
        return np.ascontiguousarray(array)
    return array if array.flags.writeable else np.asarray(_Memory(array))


def category_codes(values: Any) -> npt.NDArray[Any]:
    """Codes of a categorical column; pandas gives them read-only, and so are those that had to be copied."""
    codes = np.ascontiguousarray(values.codes)
    codes.setflags(write=False)
    return codes


class _Memory:
    """The memory of a read-only array, which it keeps alive, by NumPy's array interface."""

    def __init__(self, array: npt.NDArray[Any]) -> None:
        interface = dict(array.__array_interface__)
        interface["data"] = (interface["data"][0], False)
        self.__array_interface__, self._array = interface, array


_GROUP_TRADES = {np.dtype(kind).char: TypedKernel(group_trades) for kind in CODE_TYPES}


class LateTradesWarning(UserWarning):
    """Trades of a history that are in no row because they came too late."""


def history(trades: pd.DataFrame) -> pd.DataFrame:
    """A history of trades as the functions over it take it: conformed, and in an order in which none is lost.

    Trades that the hub has numbered (``seq`` strictly rising) stay in the order in which they were accepted, so that live,
    replay and batch give the same rows: what was late then is late again, and is reported (``LateTradesWarning``). Any other
    trades that are not in the order of ``event_ns`` are sorted by ``event_ns`` and ``seq``.

    Raises
    ------
    TableError
        ``trades`` do not fit their table.

    Examples
    --------
    >>> later = pd.DataFrame({"event_ns": [5, 4], "instrument": "X", "price": [2.0, 1.0], "size": 1.0})
    >>> history(later)["price"].tolist()
    [1.0, 2.0]
    >>> history(later.assign(seq=[1, 2]))["price"].tolist()
    [2.0, 1.0]
    """
    rows = conformed(TRADES, trades)
    arrays = arrays_of(rows)
    event_ns, seq = as_kernel_array(arrays[_EVENT]), as_kernel_array(arrays[_SEQ])
    if in_sequence(event_ns, seq) or (seq[0] > 0 and bool((np.diff(seq) > 0).all())):
        return rows
    return TRADES.take(rows, np.lexsort((seq, event_ns)))


def require_prices(rows: pd.DataFrame) -> None:
    """Refuse a print at 0 or below of what cannot have such a price: it would be the low of its candle."""
    prices = rows["price"].to_numpy()
    never = below_zero(
        prices,
        rows["instrument"],
        lambda names: INSTRUMENT_TERMS.kinds(REGISTRY.codes(names)),
        or_zero=True,
    )
    if never is not None:
        row = int(never.argmax())
        name = rows["instrument"].iloc[row]
        raise TableError(
            "trades",
            "price",
            row,
            f"{prices[row]} is no price of {name}; leave such rows out ({never.sum()})",
        )


def tell_late(of: str, late: int) -> None:
    """Warn that trades of a history are in no row."""
    if late:
        warnings.warn(
            f"{late} of the trades came too late for {of} and are in no row, as they were when they were received in this order "
            "(seq): raise lateness, or give the trades without seq to have them sorted by event_ns",
            LateTradesWarning, stacklevel=3,
        )  # fmt: skip


def _time_range(event_ns: npt.NDArray[np.int64], ordered: bool) -> tuple[Any, Any]:
    """Smallest and largest time; ``NO_TIME`` for both where there are none."""
    if not event_ns.size:
        return NO_TIME, NO_TIME
    return (event_ns[0], event_ns[-1]) if ordered else (event_ns.min(), event_ns.max())


@numba.njit(cache=True, nogil=True)
def look_through(codes: Any, flags: Any, side: Any) -> tuple[bool, int, bool]:
    """Whether all codes are one, the bits that any of the flags has, and whether any side is known; a thousand rows at a time."""
    other, bits, sided = codes[0] ^ codes[0], flags[0], side[0]
    for begin in range(0, codes.size, LOOK):
        of, flag, sign = (
            codes[begin : begin + LOOK],
            flags[begin : begin + LOOK],
            side[begin : begin + LOOK],
        )
        for row in range(of.size):
            other |= of[row] ^ codes[0]
        for row in range(flag.size):
            bits |= flag[row]
        for row in range(sign.size):
            sided |= sign[row]
    return other == 0, int(bits), sided != 0


@numba.njit(cache=True, nogil=True)
def in_order(times: Any) -> bool:
    """Whether no time is before the one it follows; looks no further than the first thousand with one that is."""
    for begin in range(0, times.size - 1, LOOK):
        before = times[begin : begin + LOOK]
        after = times[begin + 1 : begin + 1 + LOOK]
        back = 0
        for row in range(after.size):
            back += after[row] < before[row]
        if back:
            return False
    return True


@numba.njit(cache=True, nogil=True)
def count_ahead(event_ns: Any, seen_ns: Any, most: int) -> int:
    """How many rows are dated more than so long after they were seen, where that is known."""
    many = 0
    for row in range(event_ns.size):
        many += (seen_ns[row] > 0) & (event_ns[row] - seen_ns[row] > most)
    return many


@numba.njit(cache=True, nogil=True)
def in_sequence(times: Any, seq: Any) -> bool:
    """Whether rows are in the order of time, and of ``seq`` where times are the same; a thousand rows at a time."""
    for begin in range(0, times.size - 1, LOOK):
        before = times[begin : begin + LOOK]
        after = times[begin + 1 : begin + 1 + LOOK]
        back = same = 0
        for row in range(after.size):
            back += after[row] < before[row]
            same += after[row] == before[row]
        if back:
            return False
        if same:
            for row in range(begin, begin + after.size):
                if times[row + 1] == times[row] and seq[row + 1] < seq[row]:
                    return False
    return True
