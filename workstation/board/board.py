"""The board: the newest published state of every table, for whoever looks.

The hub's thread adds batches; any number of screens read, each at its own pace. A reader gets an immutable
frame and a version, and skips what has not changed: that conflates by construction, and no screen can slow
the market down.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.board.chain_publishing import chain_of_marks, published_chain
from workstation.board.priced_chain import PricedChain
from workstation.board.retention import (
    CandleRetention,
    ExposureRetention,
    FrameRetention,
    Newest,
    Retention,
    Tail,
    TailOfEach,
    Window,
)
from workstation.exposure.book import ExposureBook
from workstation.flow.taker_flow_monitor import FlowSeen, FlowWatch
from workstation.market.engine import Engine
from workstation.market.instants import HOUR_NS, SECOND_NS
from workstation.market.instruments import REGISTRY
from workstation.market.markup import iso
from workstation.market.markup import table as html_table
from workstation.market.tables import TABLES, Table
from workstation.market.tables import table as table_named
from workstation.market.tables.frames import array_of
from workstation.pricing.carry import CarryParameters
from workstation.pricing.contracts import ContractArrays
from workstation.pricing.latest import LatestMarks

CANDLES_KEPT = 3_000
"""Closed candles kept per instrument and length."""
_RETENTION: Mapping[str, Callable[[Table], FrameRetention]] = {
    "trades": lambda table: Tail(table, 20_000),
    "quotes": lambda table: Newest(table, "instrument", "venue", "exchange"),
    "marks": lambda table: Newest(table, "instrument", "venue"),
    "instruments": lambda table: Newest(table, "instrument"),
    "heartbeat": lambda table: Tail(table, 1),
    "health": lambda table: Tail(table, 500),
    "levels": lambda table: Window(table, 36 * HOUR_NS),
    "cascade": lambda table: Window(table, 36 * HOUR_NS),
    "surfaces": lambda table: Window(table, 36 * HOUR_NS),
    "pnl": lambda table: Window(table, 36 * HOUR_NS),
    "fills": lambda table: Tail(table, 100_000),
    "prints": lambda table: Tail(table, 20_000),
    "packets": lambda table: Tail(table, 10_000),
    "structures": lambda table: Tail(table, 5_000),
    "hits": lambda table: Tail(table, 10_000),
    "offexchange": lambda table: Tail(table, 5_000),
    "open_interest_verdicts": lambda table: Tail(table, 5_000),
    "intensity": lambda table: TailOfEach(table, "instrument", 3_000),
    "spikes": lambda table: TailOfEach(table, "instrument", 500),
    "reversals": lambda table: TailOfEach(table, "instrument", 500),
}
_OWN_RETENTION = frozenset({"frames", "candles", "exposures"})

PRICED_CHAIN = "priced_chain"
"""What ``version`` calls the priced chains of all underlyings together."""
_UNPUBLISHED_NS = SECOND_NS


def _newest_rows(table: Table) -> FrameRetention:
    return Tail(table, 2_000)


FEED_COLUMNS = (
    "feed", "state", "newest_ns", "age_s", "stale_after_s", "rows_per_s", "gaps", "drops", "detail", "recorder_lag_s",
)  # fmt: skip

PART_COLUMNS = ("kind", "name", "state", "detail")


class BoardState(NamedTuple):
    """What a board keeps at a moment."""

    retained: Mapping[str, Retention]
    flow: FlowWatch
    chains: Mapping[str, PricedChain]
    chains_version: int
    candles_from_ns: int
    closing: pd.DataFrame
    asof_ns: int


class Board:
    """The newest published state of every table.

    Kept: the last 20 000 trades, 3 000 candles per instrument and length (of all options together 20 000), 36 h of levels, cascade, surfaces and pnl, 100 000 fills, the newest exposures per
    underlying, at least 3 000 rows of intensity and 500 spikes and reversals per instrument, the newest row per instrument and venue of marks and quotes (of quotes also per exchange), the newest per instrument of instruments, the last 500 health rows,
    the last 2 000 rows of every other table. Raw frames are not kept here.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._candles = CandleRetention(TABLES["candles"], CANDLES_KEPT)
        self._exposures = ExposureRetention(TABLES["exposures"])
        self._frames: dict[str, FrameRetention] = {
            name: _RETENTION.get(name, _newest_rows)(table)
            for name, table in TABLES.items()
            if name not in _OWN_RETENTION
        } | {"exposures": self._exposures}
        self._retained: dict[str, Retention] = {**self._frames, "candles": self._candles}
        self._feeds = pd.DataFrame({name: [] for name in FEED_COLUMNS})
        self._parts = pd.DataFrame({name: [] for name in PART_COLUMNS})
        self._flow = FlowWatch()
        self._chains: dict[str, PricedChain] = {}
        self._chains_version = 0
        self._carry = CarryParameters()
        self._unpublished: dict[str, tuple[int, PricedChain | None]] = {}
        """Chains priced from the marks before an engine published one, and as of when."""
        self._prices = True
        self._candles_from_ns = 0
        self._closing = TABLES["candles"].empty()
        self.asof_ns = 0
        self.replay: Any = None
        """What steers the market shown here, where it is a stored one that can be paused and sought in."""

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables kept."""
        return tuple(self._retained)

    def add(self, table: str, frame: pd.DataFrame) -> None:
        """Take a batch of a table (conformed); called by the hub."""
        with self._lock:
            if table == "candles" and self._candles_from_ns:
                frame = self._whole(frame)
            self._retained[table].add(frame)
            if table == "trades":
                self._flow.take_trades(frame)
            elif table == "marks":
                self._flow.take_marks(frame)
            if len(frame):
                self.asof_ns = max(self.asof_ns, int(array_of(frame, TABLES[table].places["event_ns"]).max()))
            if len(self._closing):
                self._close_recorded()

    def snapshot(self) -> BoardState:
        """What is kept now; it does not change as the board goes on."""
        with self._lock:
            return BoardState(
                {name: kept.copy() for name, kept in self._retained.items()}, deepcopy(self._flow), dict(self._chains),
                self._chains_version, self._candles_from_ns, self._closing, self.asof_ns,
            )  # fmt: skip

    def restore(self, state: BoardState) -> None:
        """Show what another board showed when it made this ``snapshot``; versions go on from there."""
        with self._lock:
            self._retained = {name: kept.copy() for name, kept in state.retained.items()}
            self._frames = {
                name: kept for name, kept in self._retained.items() if isinstance(kept, FrameRetention)
            }
            candles, exposures = self._retained["candles"], self._frames["exposures"]
            assert isinstance(candles, CandleRetention) and isinstance(exposures, ExposureRetention)
            self._candles, self._exposures = candles, exposures
            self._flow, self._chains, self._unpublished = deepcopy(state.flow), dict(state.chains), {}
            self._chains_version, self._candles_from_ns = state.chains_version, state.candles_from_ns
            self._closing, self.asof_ns = state.closing, state.asof_ns

    def leave_part_candles(self, begin_ns: int, recorded: pd.DataFrame) -> None:
        """From now on leave out candles that began before the engines did; show recorded ones instead once they close.

        Parameters
        ----------
        begin_ns
            When the engines began.
        recorded
            Rows of ``candles`` that began before; each is shown when the market has passed its end.
        """
        with self._lock:
            self._candles_from_ns, self._closing = begin_ns, recorded

    def _whole(self, candles: pd.DataFrame) -> pd.DataFrame:
        whole = (candles["event_ns"] >= self._candles_from_ns).to_numpy()
        return candles if whole.all() else candles[whole].reset_index(drop=True)

    def _close_recorded(self) -> None:
        closed = (self._closing["event_ns"] + self._closing["every_ns"] <= self.asof_ns).to_numpy()
        if closed.any():
            self._candles.add(self._closing[closed].reset_index(drop=True))
            self._closing = self._closing[~closed].reset_index(drop=True)

    def keep(self, table: str, rows: int = 20_000) -> bool:
        """Keep the last rows of a table of one's own; False when it is kept already, with the same columns."""
        schema = table_named(table)
        with self._lock:
            held = self._retained.get(table)
            if held is not None and held.table is schema:
                return False
            self._frames[table] = self._retained[table] = Tail(schema, rows)
            return True

    def _repr_html_(self) -> str:
        with self._lock:
            held = [(name, self.latest(name)) for name in self.tables]
        rows = [[name, len(frame), iso(frame["event_ns"].max())] for name, frame in held if len(frame)]
        note = f"as of {iso(self.asof_ns)}" if self.asof_ns else "nothing has been published yet"
        return html_table("Board", ("table", "rows kept", "newest (UTC)"), rows, note)

    def version(self, table: str) -> int:
        """Number that grows whenever the published state of a table, or of ``priced_chain``, changes."""
        if table == PRICED_CHAIN:
            return self._chains_version if self._chains else self._retained["marks"].version
        return self._retained[table].version

    def latest(self, table: str) -> pd.DataFrame:
        """The kept rows of a table; not to be changed by the caller."""
        with self._lock:
            return self._retained[table].frame()

    def since(
        self, table: str, instrument: str, seq: int, columns: Sequence[str]
    ) -> tuple[int, dict[str, np.ndarray]]:
        """Newest ``seq`` of a table, and columns of the kept rows of one instrument after a ``seq``, in order of arrival."""
        code = REGISTRY.find(instrument)
        with self._lock:
            return self._frames[table].since(code, seq, columns)

    def candles(self, instrument: str, every_ns: int) -> pd.DataFrame:
        """Candles of one instrument and length in time order, the one in progress (``closed`` False) last."""
        with self._lock:
            return self._candles.of(instrument, every_ns)

    def traded(self) -> dict[str, int]:
        """Trades in candles of every instrument that has any, options left out: which are lively."""
        with self._lock:
            return self._candles.traded()

    def exposure_history(self, underlying: str, sign_model: str, basis: str) -> pd.DataFrame:
        """Gex by strike, once a minute for the last 720 minutes that had any: event_ns, strike, gex, call_gex, put_gex."""
        with self._lock:
            return self._exposures.history(underlying, sign_model, basis)

    def remember_exposures(self, past: pd.DataFrame) -> None:
        """Begin with recorded exposures: rows in time order, older than any that was added."""
        with self._lock:
            self._exposures.remember(past)

    def taker_flow(self, instruments: npt.ArrayLike) -> FlowSeen:
        """Signed taker flow of contracts since their open interest was last published, of every trade that was added."""
        with self._lock:
            return self._flow.of(instruments)

    def follow_chains(self, engines: Iterable[Engine]) -> None:
        """Publish the chains that the exposure engine among these prices; ``ValueError`` when there is none."""
        books = [engine for engine in engines if isinstance(engine, ExposureBook)]
        if not books:
            raise ValueError("no ExposureBook among the engines: nothing prices chains for the board")
        books[0].on_priced = self.publish_chain
        self._carry = books[0].parameters.carry

    def publish_chain(self, latest: LatestMarks, priced: ContractArrays) -> None:
        """Publish what an engine priced: one chain per underlying, the newest."""
        with self._lock:
            flow = self._flow.of_codes(priced.codes)
            before = self._chains.get(priced.underlying)
        made = published_chain(latest, priced, flow)
        if before is not None:
            made.prepare(before)
        self.set_chain(made)

    def set_chain(self, chain: PricedChain) -> None:
        """Publish a priced chain as the newest of its underlying."""
        with self._lock:
            if not self._chains:
                self._chains_version = self._retained["marks"].version
                self._unpublished.clear()
            self._chains[chain.underlying] = chain
            self._chains_version += 1

    def leave_pricing(self) -> None:
        """Price nothing from now on: another process does, whose chains come by ``set_chain``."""
        with self._lock:
            self._prices = False
            self._unpublished.clear()

    @property
    def underlyings(self) -> tuple[str, ...]:
        """Underlyings with a published chain."""
        with self._lock:
            return tuple(self._chains)

    def priced_chain(self, underlying: str) -> PricedChain | None:
        """The newest priced chain of an underlying; None without marks of its options.

        Until an engine has published one it is priced from the newest marks, at most once a second of event time; not where
        another process prices.
        """
        with self._lock:
            found = self._chains.get(underlying)
            if found is not None or not self._prices:
                return found
            then, made = self._unpublished.get(underlying, (0, None))
            if made is None or self.asof_ns >= then + _UNPUBLISHED_NS:
                made = chain_of_marks(self.latest("marks"), underlying, self._flow.of_codes, self._carry)
                self._unpublished[underlying] = self.asof_ns, made
            return made

    def remember_flow(self, past: pd.DataFrame, since_ns: int) -> None:
        """Begin with the prints of the day before any was added; see ``FlowWatch.seed``."""
        with self._lock:
            self._flow.seed(past, since_ns)

    def forming(self) -> pd.DataFrame:
        """The candles in progress."""
        with self._lock:
            return self._candles.forming

    def past_exposures(self) -> pd.DataFrame:
        """What ``remember_exposures`` of another board takes to give the same ``exposure_history``."""
        with self._lock:
            return self._exposures.past()

    def set_forming(self, frame: pd.DataFrame) -> None:
        """Publish the candles in progress."""
        with self._lock:
            self._candles.set_forming(self._whole(frame) if self._candles_from_ns else frame)

    def feeds(self) -> pd.DataFrame:
        """One row per feed: state, age and counts, as the status strip shows them."""
        with self._lock:
            return self._feeds

    def parts(self) -> pd.DataFrame:
        """One row per part of the process: kind, name, state (ok, watch, failed) and detail in words."""
        with self._lock:
            return self._parts

    def set_parts(self, parts: pd.DataFrame) -> None:
        """Publish how the parts are."""
        with self._lock:
            self._parts = parts

    def set_feeds(self, feeds: pd.DataFrame) -> None:
        """Publish the feeds' states."""
        with self._lock:
            self._feeds = feeds
