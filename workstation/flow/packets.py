"""Packets: the prints of one parent order in one contract, compared with the packets before them.

A print joins its contract's packet while it is within the window of the packet's first print. The packets of one underlying that
begin within the window of one another are a burst; they are given out together, once the watermark has passed two windows after
the burst began, so that whoever looks for packages of several contracts has them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.flow import packet_kernels as k
from workstation.flow.eligibility import NO_PART, text_hashes
from workstation.flow.nbbo import prints as placed_prints
from workstation.flow.packet_frames import packet_frame
from workstation.flow.packet_memory import PacketMemory, Told
from workstation.flow.packet_state import PacketState
from workstation.market.engine import Beats, Engine
from workstation.market.tables import EXCLUSIONS, NO_TIME, PACKETS, PRINTS
from workstation.market.tables.categories import CategoryNumbers
from workstation.market.tables.frames import arrays_of
from workstation.pricing.timer import terms_of

_AT = {name: place for place, name in enumerate(PRINTS.names)}
_NUMBERS = (
    "price", "size", "premium_usd", "bid", "ask", "quote_age_ms", "spot", "pre_move", "iv", "vol_edge_bps", "delta", "gamma", "vega",
    "open_interest", "volume_before",
)  # fmt: skip
_BY_VENUE = CategoryNumbers(lambda sources: [source == "venue" for source in sources])
_SKIPPED = np.isin(np.arange(len(EXCLUSIONS)), NO_PART)


@dataclass(frozen=True)
class PacketsParameters:
    """Parameters of ``Packets``.

    Attributes
    ----------
    window_ms
        How long after a packet's first print another one joins it.
    history, samples, ttl
        How many packets of the contract a packet is compared with, from how many on, and how old they may be.
    rank_history, rank_samples
        The same for the rank of its premium among its underlying's packets that are no legs of packages.
    """

    window_ms: float = 500.0
    history: int = 50
    samples: int = 12
    ttl: str = "24h"
    rank_history: int = 500
    rank_samples: int = 50

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            number = pd.Timedelta(value).value if isinstance(value, str) else value
            if not 0 < number < np.inf:
                raise ValueError(f"{one.name} must be positive, got {value!r}")
        if self.history < self.samples or self.rank_history < self.rank_samples:
            raise ValueError(
                f"history ({self.history}, {self.rank_history}) must be at least samples ({self.samples}, {self.rank_samples})"
            )


class Packets(Engine):
    """Rows of ``packets``, given out burst by burst; a cancel gives its packet again, amended, with a higher ``revision``.

    Late, out-of-sequence, void and repeated prints are part of none. Auctions, crosses, floor trades and legs of packages are, without
    a direction.

    Examples
    --------
    >>> from workstation.market.tables import HEARTBEAT, QUOTES, TRADES
    >>> trades = TRADES.batch({"event_ns": [10, 20], "instrument": ["SPY   261218C00600000"] * 2, "price": [1.3, 1.4], "size": [2.0, 1.0]})
    >>> engine = Packets()
    >>> engine.update(placed_prints(trades, QUOTES.empty())).empty
    True
    >>> rows = engine.update(HEARTBEAT.batch({"event_ns": [2_000_000_000], "feed": ""}), "heartbeat")
    >>> rows[["packet_id", "prints", "size", "premium_usd", "share_missing"]].values.tolist()
    [['SPY   261218C00600000:10:20', 2, 3.0, 400.0, 1.0]]
    """

    inputs: ClassVar[tuple[str, ...]] = ("prints", "heartbeat", "instruments")
    output: ClassVar[str] = "packets"

    def __init__(self, parameters: PacketsParameters | None = None, **changes: Any) -> None:
        self.parameters = own = replace(parameters or PacketsParameters(), **changes)
        ttl = int(pd.Timedelta(own.ttl).as_unit("ns").value)
        self._limits = k.Limits(round(own.window_ms * 1e6), ttl, own.samples, own.rank_samples)
        self._reset()

    def _reset(self) -> None:
        own = self.parameters
        self._state = PacketState(history=own.history, rank_history=own.rank_history)
        self._memory = PacketMemory()

    def update(self, batch: pd.DataFrame, table: str = "") -> pd.DataFrame:
        """Take rows of one of ``inputs`` and give the packets whose burst is over."""
        if not len(batch):
            return _EMPTY.copy(deep=False)
        if table == "instruments":
            self._state.terms.describe(terms_of(batch))
            return _EMPTY.copy(deep=False)
        if table == "heartbeat":
            return self._beat(int(batch["event_ns"].to_numpy().max()))
        return self._take(arrays_of(batch))

    def beats(self, rows: Mapping[str, pd.DataFrame]) -> Beats:
        """Packets fall due in the order in which their bursts began: a heartbeat that the next row reaches changes nothing."""
        return Beats({name: name != "instruments" for name in rows})

    def _beat(self, now_ns: int) -> pd.DataFrame:
        state = self._state
        if now_ns <= state.counters[k.C_WATERMARK]:
            return _EMPTY.copy(deep=False)
        state.counters[k.C_WATERMARK] = now_ns
        if state.counters[k.C_HEAD] == state.counters[k.C_TAIL]:
            return _EMPTY.copy(deep=False)
        ints, floats = state.room_to_tell()
        told = k.tell_due(
            now_ns, state.pool, state.bursts, state.counters, state.baselines, state.rows, state.ranks, self._limits, ints, floats, 0
        )  # fmt: skip
        return self._frame([Told(ints[:told], floats[:told], np.zeros(told, np.int32))])

    def _take(self, arrays: list[Any]) -> pd.DataFrame:
        state, count = self._state, len(arrays[0])
        ints, floats = self._matrices(arrays)
        state.make_room(ints)
        member, opened = np.zeros(count, dtype=np.int64), state.counters[k.C_ORDINAL : k.C_ORDINAL + 1].copy()
        cancels = arrays[_AT["cancels"]]
        self._memory.add(
            ints=ints, floats=floats, member=member, numbers=np.array(arrays[_AT["print_number"]]), ids=arrays[_AT["trade_id"]],
            now_ns=int(max(state.counters[k.C_WATERMARK], NO_TIME)), opened=opened,
        )  # fmt: skip
        out_ints, out_floats = state.room_to_tell(count)
        parts: list[Told] = []
        start = given = told = 0
        for row in [*np.flatnonzero(cancels > 0).tolist(), count]:
            stop = min(row + 1, count)
            told = int(k.gather(
                ints, floats, start, stop, state.pool, state.bursts, state.counters, state.baselines, state.rows, state.ranks,
                self._limits, member, out_ints, out_floats, told,
            ))  # fmt: skip
            fresh = Told(out_ints[given:told], out_floats[given:told], np.zeros(told - given, np.int32))
            parts.append(fresh)
            self._memory.remember(fresh)
            start, given = stop, told
            opened[0] = state.counters[k.C_ORDINAL]
            if row < count:
                parts += self._memory.cancel(int(cancels[row]), state)
        return self._frame(parts, remembered=True)

    def _matrices(self, arrays: list[Any]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        state, count = self._state, len(arrays[0])
        codes = arrays[_AT["instrument"]].codes.astype(np.int64)
        state.terms.look_up(codes)
        reasons = state.reasons(arrays[_AT["exclusion"]])
        ints = np.empty((count, k.PRINT_INTS), dtype=np.int64)
        ints[:, k.P_TIME], ints[:, k.P_CODE] = arrays[_AT["event_ns"]], codes
        ints[:, k.P_UNDERLYING] = state.terms.underlying[codes]
        ints[:, k.P_PARENT] = state.parents(
            arrays[_AT["block_id"]], text_hashes(arrays[_AT["block_id"]]), arrays[_AT["venue"]]
        )
        ints[:, k.P_BUCKET] = state.buckets(arrays[_AT["placement"]])
        ints[:, k.P_FLAGS], ints[:, k.P_NEUTRAL] = arrays[_AT["flags"]], reasons != 0
        ints[:, k.P_VENUE_SIDE] = _BY_VENUE(arrays[_AT["side_source"]]) * arrays[_AT["side"]]
        ints[:, k.P_EXCHANGE] = state.exchange_numbers(arrays[_AT["exchange"]])
        ints[:, k.P_SKIP] = _SKIPPED[reasons]
        floats = np.empty((count, k.PRINT_FLOATS))
        for column, name in enumerate(_NUMBERS):
            floats[:, column] = arrays[_AT[name]]
        floats[:, k.P_MULTIPLIER] = np.where(state.terms.sized[codes], state.terms.multiplier[codes], np.nan)
        return ints, floats

    def _frame(self, parts: list[Told], *, remembered: bool = False) -> pd.DataFrame:
        held = [part for part in parts if part.revision.size]
        if not held:
            return _EMPTY.copy(deep=False)
        told = (
            held[0]
            if len(held) == 1
            else Told(*(np.concatenate(columns) for columns in zip(*held, strict=True)))
        )
        if not remembered:
            self._memory.remember(told)
        return packet_frame(told, self._state, self._memory)

    def snapshot(self) -> dict[str, Any]:
        """The whole state."""
        return {"state": self._state.snapshot(), "memory": self._memory.snapshot()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        self._reset()
        self._state.restore(state["state"])
        self._memory.restore(state["memory"])


_EMPTY = PACKETS.empty()


def packets(
    trades: pd.DataFrame,
    quotes: pd.DataFrame,
    window_ms: float = 500.0,
    *,
    marks: pd.DataFrame | None = None,
    max_age_ms: float = 1000.0,
    **parameters: Any,
) -> pd.DataFrame:
    """Packets of whole histories, those still open at the end among them.

    Parameters
    ----------
    trades, quotes, marks
        Rows of those tables, as ``flow.nbbo.prints`` takes them.
    window_ms, parameters
        Of ``PacketsParameters``.
    max_age_ms
        Of the quotes.

    Returns
    -------
    pandas.DataFrame
        Rows of ``packets``; of an amended packet the newest row counts.

    Examples
    --------
    >>> from workstation.market.tables import QUOTES
    >>> trades = pd.DataFrame({"event_ns": [10, 20, 10**10], "instrument": "SPY   261218C00600000", "price": 1.3, "size": 2.0})
    >>> packets(trades, QUOTES.empty())["prints"].tolist()
    [2, 1]
    """
    return packets_of(
        placed_prints(trades, quotes, marks, max_age_ms=max_age_ms), window_ms=window_ms, **parameters
    )


def packets_of(prints: pd.DataFrame, **parameters: Any) -> pd.DataFrame:
    """Packets of placed prints (rows of ``prints``); see ``packets``."""
    engine = Packets(**parameters)
    made = [engine.update(prints, "prints")]
    if len(prints):
        end = int(prints["event_ns"].to_numpy().max()) + 3 * round(engine.parameters.window_ms * 1e6) + 10**12
        from workstation.market.tables import HEARTBEAT

        made.append(engine.update(HEARTBEAT.batch({"event_ns": [end], "feed": ""}), "heartbeat"))
    return PACKETS.concat([rows for rows in made if len(rows)])
