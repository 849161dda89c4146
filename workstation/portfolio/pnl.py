"""PnL snapshots on an event-time timer, explained as they go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market.engine import Engine, Reading
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.instruments import REGISTRY
from workstation.market.tables import FILLS, NO_TIME, PNL
from workstation.numerics.state_arrays import extended
from workstation.portfolio.curves import curves
from workstation.portfolio.explain import PARTS, State, explained
from workstation.portfolio.ledger import Ledger
from workstation.portfolio.pnl_parameters import PnlSnapshotsParameters
from workstation.portfolio.positions import positions_of, settlement_price, source_of
from workstation.portfolio.prices import LegPrices
from workstation.portfolio.valuation import Floats, Terms, index_time, quoted, terms_of
from workstation.pricing.latest import LatestMarks

__all__ = ["COLUMNS", "PnlSnapshots", "PnlSnapshotsParameters", "curves"]

COLUMNS = {
    part: f"{part}_pnl" if part in ("delta", "gamma", "vega", "theta", "vanna", "charm") else part
    for part in PARTS
}
"""Part of the explain -> column of ``pnl``."""


class PnlSnapshots(Engine):
    """Live PnL: one row per contract that is open or changed, and one of the whole book, per timer tick.

    When a row moves the watermark to or past a tick, the state before that row is shown as of the first such tick, if
    anything arrived about the book since the last. All columns count since the first fill; the explain is made from tick to
    tick and added up, so that the difference of two rows explains the time between them. What
    greeks cannot be had for (no vol known) goes to the residual. A leg without a mark has NaN; the book's row is the sum of the
    legs that are known, and ``unpriced()`` names the others.

    Legs are positions: long and short of one contract, cross and isolated, each have their own average cost; a contract's row
    is their sum. Fills of unknown kind are set aside: see ``set_aside``.

    Positions are those the fills make. A row of ``positions`` opens a leg no fill has mentioned (fills up to its time
    are then contained in it) and gives mark and index where ``marks``, ``quotes`` and ``trades`` have none. Before
    the first leg nothing but the clock is kept.

    An open position whose expiry has passed by ``settle_after`` is settled at the newest index at or before the
    expiry; without one it stays open, unmarked.

    Examples
    --------
    >>> from workstation.market.tables import MARKS
    >>> engine, perp, minute = PnlSnapshots(every="1min"), "BTC/USDC:USDC", 60 * 10**9
    >>> _ = engine.update(FILLS.conform(pd.DataFrame(
    ...     {"event_ns": [1], "instrument": perp, "side": 1, "price": 100.0, "size": 2.0, "fee": 0.5})), "fills")
    >>> marks = {"event_ns": [2, minute], "instrument": perp, "mark": [103.0, 104.0], "index": [103.0, 104.0]}
    >>> engine.update(MARKS.conform(pd.DataFrame(marks)), "marks")[["total", "unrealised", "fees"]].values.tolist()
    [[5.5, 6.0, -0.5], [5.5, 6.0, -0.5]]
    """

    inputs: ClassVar[tuple[str, ...]] = ("fills", "positions", "marks", "heartbeat", "quotes", "trades")
    output: ClassVar[str] = "pnl"

    def __init__(self, parameters: PnlSnapshotsParameters | None = None, **changes: Any) -> None:
        self.parameters = replace(parameters or PnlSnapshotsParameters(), **changes)
        self._reset()

    def _reset(self) -> None:
        self._nothing = PNL.empty()
        self._ledger, self._latest, self._prices = Ledger(), LatestMarks(by_venue=True), LegPrices()
        self._terms: Terms = terms_of([])
        self._contracts: dict[tuple[str, ...], int] = {}
        self._contract: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._watermark_ns = NO_TIME
        self._fresh = False
        self._shown: Floats = np.zeros((len(PARTS), 0))
        self._before: State | None = None
        self._changed: npt.NDArray[np.bool_] = np.zeros(0, dtype=bool)
        self._at_expiry: Floats = np.empty(0)
        self._index_ns: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def update(self, batch: pd.DataFrame, table: str = "") -> pd.DataFrame:
        """Take rows of one of ``inputs`` and give the snapshots they complete."""
        table = table or self.inputs[0]
        if table not in self.inputs:
            raise ValueError(f"{type(self).__name__} reads {', '.join(self.inputs)}, not {table!r}")
        if not len(self._ledger) and table not in ("fills", "positions"):
            newest = int(batch["event_ns"].to_numpy().max(initial=self._watermark_ns))
            self._watermark_ns = newest
            return self._nothing.copy(deep=False)
        parts: list[pd.DataFrame] = []
        if len(batch):
            watermark = np.maximum(np.maximum.accumulate(batch["event_ns"].to_numpy()), self._watermark_ns)
            first = watermark[0] if self._watermark_ns == NO_TIME else self._watermark_ns
            before = np.concatenate(([first], watermark[:-1]))
            start = 0
            for row in self._cuts(batch, table, before, watermark):
                self._take(batch.iloc[start:row], table)
                self._catch_indices(int(before[row]), int(watermark[row]))
                parts += self._tick(int(before[row]), int(watermark[row]))
                start = row
            self._take(batch.iloc[start:] if start else batch, table)
            self._watermark_ns = int(watermark[-1])
        return PNL.concat(parts) if parts else self._nothing.copy(deep=False)

    def reading(self, rows: Mapping[str, pd.DataFrame]) -> Reading | None:
        """Before the first leg all but fills and positions moves the clock; then every row counts in its order."""
        if len(self._ledger) or any(len(rows.get(name, ())) for name in ("fills", "positions")):
            return None
        return Reading(int(self._watermark_ns), self.parameters.every_ns, True, dict.fromkeys(rows, True))

    def _cuts(self, batch: pd.DataFrame, table: str, before: Any, watermark: Any) -> list[int]:
        """Rows that move the watermark over a tick or over an expiry of a leg there is or may come to be."""
        every = self.parameters.every_ns
        cut = watermark // every > before // every
        expiries = set(self._terms.expiry_ns.tolist())
        if table in ("fills", "positions"):
            expiries |= set(INSTRUMENT_TERMS.describe(batch["instrument"])["expiry_ns"].tolist())
        for expiry in expiries - {NO_TIME}:
            cut |= (before <= expiry) & (expiry < watermark)
        return [int(row) for row in np.flatnonzero(cut)]

    # -- rows ---------------------------------------------------------------------------------------------

    def _take(self, rows: pd.DataFrame, table: str) -> None:
        if not len(rows) or table == "heartbeat":
            return
        if table == "fills":
            self._take_fills(rows)
        elif table == "positions":
            self._ledger.adopt(rows)
            self._grow()
            self._fresh = True
            self._prices.take(rows, table)
        elif len(self._ledger):
            if table == "marks":
                slots = self._latest.take(rows)
                told = self._latest.code[slots]
                self._fresh |= bool(np.isin(self._ledger.codes, told).any())
            else:
                self._fresh |= self._prices.take(rows, table)

    def _take_fills(self, rows: pd.DataFrame) -> None:
        for start, stop in pairwise([0, *_learning(rows["index"].notna().to_numpy()), len(rows)]):
            part = rows.iloc[start:stop]
            self._ledger.take(part, self._rates())
            self._grow()
            self._changed[np.unique(self._ledger.taken)] = True
            self._forget(self._ledger.removed)
            self._prices.take(part, "fills")
        self._fresh = True

    def _forget(self, legs: npt.NDArray[np.int64]) -> None:
        """Explain nothing of what these legs gained before their fills were taken back."""
        if legs.size and self._before is not None:
            now = self._state(self._watermark_ns)
            gone = np.zeros(len(self._ledger), dtype=bool)
            gone[legs] = True
            self._before = State.padded(self._before, now).where(~gone, State.padded(None, now))
        self._shown[:, legs] = 0.0

    def _venues(self) -> list[str]:
        return [key[0] for key in self._ledger.keys]

    def _rates(self) -> dict[str, float]:
        return self._prices.rates(self._terms, self._latest)

    def _grow(self) -> None:
        legs, known = len(self._ledger), self._changed.size
        if legs == known:
            return
        self._describe()
        self._prices.grow(self._ledger.codes, self._venues())
        self._changed, self._shown = extended(self._changed, legs, True), extended(self._shown, legs, 0.0)
        self._at_expiry = extended(self._at_expiry, legs, np.nan)
        self._index_ns = extended(self._index_ns, legs, NO_TIME)

    def _describe(self) -> None:
        """Terms of the legs, and which contract each belongs to."""
        keys = self._ledger.keys
        self._terms = terms_of([key[2] for key in keys])
        places = [self._contracts.setdefault(key[:3], len(self._contracts)) for key in keys]
        self._contract = np.array(places, dtype=np.int64)

    # -- expiry -------------------------------------------------------------------------------------------

    def _catch_indices(self, before_ns: int, after_ns: int) -> None:
        """Keep the index of legs whose expiry the watermark is about to leave behind."""
        expiry = self._terms.expiry_ns
        passed = (expiry != NO_TIME) & (before_ns <= expiry) & (expiry < after_ns)
        if passed.any():
            rates = self._rates()
            for leg in np.flatnonzero(passed):
                name = str(self._terms.underlying[leg])
                told_ns = index_time(self._latest, name)
                at_ns = before_ns if told_ns == NO_TIME else told_ns
                self._at_expiry[leg], self._index_ns[leg] = rates.get(name, np.nan), at_ns

    def _due_ns(self) -> npt.NDArray[np.int64]:
        """When each open leg with a known index at its expiry is settled by it; NO_TIME for the others."""
        open_legs = (self._ledger.row("amount") != 0.0) & ~np.isnan(self._at_expiry)
        return np.where(open_legs, self._terms.expiry_ns + self.parameters.settle_after_ns, NO_TIME)

    def _settle(self, tick_ns: int) -> None:
        due = self._due_ns()
        for leg in np.flatnonzero((due != NO_TIME) & (due <= tick_ns)):
            terms, one = self._terms, slice(leg, leg + 1)
            index = self._at_expiry[one]
            price = settlement_price(
                index=index, strike=terms.strike[one], is_call=terms.is_call[one],
                is_option=terms.is_option[one], inverse=terms.inverse[one],
            )  # fmt: skip
            venue, account, instrument, side, mode = self._ledger.keys[leg]
            fill = {
                "position_side": side, "margin_mode": mode,
                "event_ns": [int(terms.expiry_ns[leg])], "instrument": instrument, "venue": venue, "account": account, "side": 0,
                "price": price, "size": 0.0, "kind": "settlement", "index": index, "fill_id": source_of(int(self._index_ns[leg])),
            }  # fmt: skip
            self._ledger.take(FILLS.conform(pd.DataFrame(fill)), self._rates())
            self._changed[leg] = True

    # -- snapshots ----------------------------------------------------------------------------------------

    def _tick(self, before_ns: int, watermark_ns: int) -> list[pd.DataFrame]:
        every = self.parameters.every_ns
        first, last = (before_ns // every + 1) * every, watermark_ns // every * every
        if first > last or not len(self._ledger):
            return []
        due = self._due_ns()
        due = due[(due != NO_TIME) & (due <= last)]
        ticks = {max(first, int(-(-at // every) * every)) for at in due}
        if self._fresh:
            ticks.add(first)
        rows = []
        for tick in sorted(at for at in ticks if at <= last):
            self._settle(tick)
            rows.append(self._show(tick))
        return rows

    def _state(self, tick_ns: int) -> State:
        ledger = self._ledger
        market = quoted(
            self._terms,
            self._latest.of(ledger.codes, self._venues()),
            self._latest,
            tick_ns,
            self._prices.quoted(),
            self.parameters.carry,
        )
        cumulative = (
            "realised_usd",
            "settled_usd",
            "funding_usd",
            "fees_usd",
            "settled_price",
            "settled_index",
        )
        return State(
            quantity=ledger.quantity(), entry=ledger.row("entry").copy(), market=market,
            **{name: ledger.row(name).copy() for name in cumulative}, settled_ns=ledger.settled_ns.copy(),
        )  # fmt: skip

    def _show(self, tick_ns: int) -> pd.DataFrame:
        terms, now = self._terms, self._state(tick_ns)
        total = now.total(terms)
        known = ~np.isnan(total)
        was = State.padded(self._before, now)
        parts = explained(terms, was, now)
        flows = [PARTS.index("funding"), PARTS.index("fees")]
        made = np.stack([parts[name] for name in PARTS])
        bare = known & np.isnan(made).any(axis=0)
        gone = made.copy()
        gone[[row for row in range(len(PARTS)) if row not in flows]] = 0.0
        gone[PARTS.index("residual")] = parts["total"] - made[flows].sum(axis=0)
        self._shown[:, known] += np.where(bare, gone, made)[:, known]
        self._before = now.where(known, was)
        shown = np.flatnonzero(self._changed | (now.quantity != 0.0))
        self._changed[:] = False
        self._fresh = False
        return self._rows(tick_ns, shown, now, total)

    def _rows(self, tick_ns: int, legs: npt.NDArray[np.int64], now: State, total: Floats) -> pd.DataFrame:
        """Rows of the contracts the legs named belong to, then of the whole book: the sum of the legs that are known."""
        values = {COLUMNS[part]: self._shown[row] for row, part in enumerate(PARTS)} | {
            "total": total,
            "realised": now.realised_usd + now.settled_usd,
            "unrealised": now.unrealised_usd(self._terms),
            "funding": now.funding_usd,
            "fees": now.fees_usd,
        }
        known = ~np.isnan(total)
        shown = np.unique(self._contract[legs])
        names = list(self._contracts)
        first = [int(np.argmax(self._contract == place)) for place in shown]
        columns: dict[str, Any] = {
            "event_ns": np.full(shown.size + 1, tick_ns),
            "instrument": REGISTRY.categorical(
                np.append(self._ledger.codes[first], np.int32(-1)).astype(np.int32)
            ),
            "venue": [names[place][0] for place in shown] + [""],
            "account": [names[place][1] for place in shown] + [""],
        }
        for name, each in values.items():
            whole = each[known].sum() if known.any() else each.sum()
            columns[name] = np.append(self._by_contract(each)[shown], whole)
        return PNL.batch(columns)

    def _by_contract(self, values: Floats) -> Floats:
        if len(self._contracts) == values.size:
            return values
        summed = np.zeros(len(self._contracts))
        np.add.at(summed, self._contract, values)
        return summed

    # -- state --------------------------------------------------------------------------------------------

    def positions(self) -> pd.DataFrame:
        """Positions now, as ``workstation.portfolio.positions.positions`` gives them."""
        return positions_of(self._ledger, self._watermark_ns)

    @property
    def set_aside(self) -> dict[str, int]:
        """Reason -> how many fills were not booked for it."""
        return dict(self._ledger.set_aside)

    def unpriced(self) -> list[str]:
        """Open legs whose PnL is not known now: venue, account, instrument, side and margin mode."""
        state = self._state(self._watermark_ns)
        unknown = (state.quantity != 0.0) & np.isnan(state.total(self._terms))
        return [" ".join(filter(None, self._ledger.keys[leg])) for leg in np.flatnonzero(unknown)]

    def snapshot(self) -> dict[str, Any]:
        """The state by leg and instrument name."""
        return {
            "ledger": self._ledger.snapshot(),
            "latest": self._latest.snapshot(),
            "prices": self._prices.snapshot(),
            "watermark_ns": self._watermark_ns,
            "fresh": self._fresh,
            "shown": self._shown.copy(),
            "before": None if self._before is None else self._before.as_arrays(),
            "changed": self._changed.copy(),
            "at_expiry": self._at_expiry.copy(),
            "index_ns": self._index_ns.copy(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        self._reset()
        self._ledger.restore(state["ledger"])
        self._latest.restore(state["latest"])
        self._describe()
        self._prices.restore(state["prices"], self._ledger.codes, self._venues())
        self._watermark_ns, self._fresh = state["watermark_ns"], state["fresh"]
        self._shown, self._changed = state["shown"].copy(), state["changed"].copy()
        self._at_expiry, self._index_ns = state["at_expiry"].copy(), state["index_ns"].copy()
        self._before = None if state["before"] is None else State.of_arrays(state["before"])


def _learning(told: npt.NDArray[np.bool_]) -> list[int]:
    """Rows without an index that come after one that told it: they are worth what it told.

    Examples
    --------
    >>> _learning(np.array([False, True, True, False, False, True, False]))
    [3, 6]
    """
    return [int(row) for row in np.flatnonzero(told[:-1] & ~told[1:]) + 1]
