"""Taker flow as a screen asks for it: of any contracts, at any time, with what is not known of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.flow.taker_flow import NO_DAY, TakerFlow
from workstation.market.instants import DAY_NS
from workstation.market.instruments import REGISTRY
from workstation.market.tables import NO_TIME
from workstation.numerics.state_arrays import LEAST_CODES, capacity, extended
from workstation.pricing.contracts import Floats


class FlowSeen(NamedTuple):
    """Signed taker flow of some contracts, and what it was counted from."""

    signed: Floats
    """Buys less sells in contracts, in the order asked for."""
    since_ns: int
    """From when on prints were counted; ``NO_TIME``: none was seen."""
    prints: int
    """Prints of these contracts that were seen."""
    unsided: int
    """Those of them whose taker is not known: they count nothing."""

    @property
    def known(self) -> bool:
        """Whether any print had a side: without one nothing is known of who holds what."""
        return self.prints > self.unsided


class FlowWatch:
    """``TakerFlow`` of everything that trades, with its prints counted, for whatever sign model is asked for later.

    Examples
    --------
    >>> from workstation.market.tables import TRADES
    >>> watch, name = FlowWatch(), "BTC/USD:BTC-261225-100000-C"
    >>> watch.take_trades(TRADES.conform(pd.DataFrame(
    ...     {"event_ns": [1, 2, 3], "instrument": name, "price": 0.05, "size": [3.0, 1.0, 9.0], "side": [1, -1, 0]})))
    >>> seen = watch.of([name])
    >>> seen.signed.tolist(), seen.prints, seen.unsided, seen.known
    ([2.0], 3, 1, True)
    """

    def __init__(self) -> None:
        self._flow = TakerFlow()
        self._counts = np.zeros((2, 0), dtype=np.int64)
        self._since_ns = NO_TIME

    def _grow(self, needed: int) -> None:
        self._counts = extended(self._counts, capacity(needed, self._counts.shape[1], LEAST_CODES), 0)

    def take_trades(self, trades: pd.DataFrame) -> None:
        """Absorb conformed ``trades`` rows."""
        if not len(trades):
            return
        if self._since_ns == NO_TIME:
            self._since_ns = int(trades["event_ns"].to_numpy().min())
        self._flow.take(trades)
        codes = trades["instrument"].array.codes
        self._grow(int(codes.max(initial=-1)) + 1)
        held = codes >= 0
        np.add.at(self._counts[0], codes[held], 1)
        np.add.at(self._counts[1], codes[held & (trades["side"].to_numpy() == 0)], 1)

    def take_marks(self, marks: pd.DataFrame) -> None:
        """Absorb conformed ``marks`` rows: open interest published on a later day starts a contract's flow anew."""
        known = np.isfinite(marks["open_interest"].to_numpy())
        codes = np.asarray(marks["instrument"].array.codes)[known].astype(np.int64)
        if codes.size:
            published_ns = marks["open_interest_ns"].to_numpy()[known]
            order = np.argsort(published_ns, kind="stable")
            codes, published_ns = codes[order], published_ns[order]
            before = self._flow.day_of(codes)
            self._flow.published(codes, published_ns)
            anew = codes[(self._flow.day_of(codes) > before) & (before != NO_DAY)]
            self._grow(int(codes.max()) + 1)
            self._counts[:, anew] = 0

    def seed(self, past: pd.DataFrame, since_ns: int) -> None:
        """Begin with the earlier prints of a day: its flow ends when open interest of a later day is published.

        ``past`` has one row per instrument: instrument, signed, prints, unsided. Raises ``ValueError`` once prints were seen.
        """
        if self._since_ns != NO_TIME:
            raise ValueError("the past of a flow is given before its first prints")
        names = past["instrument"].astype("str").tolist()
        codes = REGISTRY.codes(names)
        day = np.full(len(names), since_ns // DAY_NS)
        signed = past["signed"].to_numpy(dtype=np.float64)
        self._flow.restore({"instruments": names, "signed": signed, "day": day})
        self._grow(int(codes.max(initial=-1)) + 1)
        for row, name in enumerate(("prints", "unsided")):
            self._counts[row, codes] = past[name].to_numpy(dtype=np.int64)
        self._since_ns = since_ns

    def of(self, instruments: npt.ArrayLike) -> FlowSeen:
        """The flow of these contracts (names)."""
        return self.of_codes(REGISTRY.codes([str(name) for name in np.asarray(instruments).ravel()]))

    def of_codes(self, codes: npt.NDArray[Any]) -> FlowSeen:
        """The flow of these contracts (registry codes)."""
        self._grow(int(codes.max(initial=-1)) + 1)
        prints, unsided = self._counts[:, codes].sum(axis=1).tolist()
        day = self._flow.day_of(codes)
        day = day[day != NO_DAY]
        since_ns = max(self._since_ns, int(day.min()) * DAY_NS) if day.size else self._since_ns
        return FlowSeen(self._flow.of(codes), since_ns if prints else NO_TIME, prints, unsided)
