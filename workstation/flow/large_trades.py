"""Large trades: blocks, packages and large prints, as alerts with their evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.flow.alert_rows import Leg, alerts, block_row, large_print_row, retracted
from workstation.flow.baselines import Limits, PrintHistory
from workstation.flow.traded_terms import TradedTerms
from workstation.market.durations import nanoseconds
from workstation.market.engine import Beats, Engine
from workstation.market.instruments import REGISTRY
from workstation.market.tables import NO_TIME, TradeFlag
from workstation.pricing.latest import LatestMarks, spot_of
from workstation.pricing.timer import terms_of

PARENT = int(TradeFlag.BLOCK | TradeFlag.COMBO)
OFF_SCREEN = int(
    TradeFlag.BLOCK | TradeFlag.COMBO | TradeFlag.MULTI_LEG | TradeFlag.STOCK_TIED | TradeFlag.COMPRESSION | TradeFlag.CROSS
    | TradeFlag.FLOOR | TradeFlag.AUCTION | TradeFlag.AVERAGE_PRICE | TradeFlag.LATE | TradeFlag.OUT_OF_SEQUENCE
    | TradeFlag.OFF_EXCHANGE
)  # fmt: skip
"""Prints that say nothing of how large prints on the screen are: neither judged against its history nor part of it."""
VOLUME_ONLY = int(TradeFlag.LATE | TradeFlag.OUT_OF_SEQUENCE | TradeFlag.AVERAGE_PRICE)
"""Prints of a listed option that count as volume and nothing else, unless the venue flags them as a block."""
CANCEL = int(TradeFlag.CANCEL)
KEEP_NS = 600_000_000_000
"""Alerts can be taken back, and parents get late legs, for ten minutes."""


@dataclass(frozen=True)
class LargeTradesParameters:
    """Parameters of ``LargeTrades``.

    Attributes
    ----------
    block_usd
        Premium from which an option's print, or a package, is a block without being flagged as one.
    large_option_usd, large_usd
        USD (premium of an option, worth of anything else) under which no print is large.
    z, robust_z
        A print is large when, in underlying units or in USD, it is ``z`` standard deviations above the mean and ``robust_z``
        (median and MAD) above the median of the prints before it.
    history, samples
        How many prints before it count, and how many it takes; while the contract has fewer, those of all options
        of the underlying count.
    quiet
        A contract raises at most one large print in so much time.
    gather
        How long the legs of a block or combo are waited for.
    listed_options
        Whether options of US exchanges are judged: their prints name no taker, and where the flow engines run, a parent is one
        alert, theirs.
    """

    block_usd: float = 200_000.0
    large_option_usd: float = 20_000.0
    large_usd: float = 250_000.0
    z: float = 3.0
    robust_z: float = 5.0
    history: int = 100
    samples: int = 12
    quiet: str = "10s"
    gather: str = "1s"
    listed_options: bool = True

    def __post_init__(self) -> None:
        for name in (one.name for one in fields(self)):
            value = getattr(self, name)
            if isinstance(value, bool):
                continue
            number = nanoseconds(value, name) if isinstance(value, str) else value
            if not number > 0:
                raise ValueError(f"{name} must be positive, got {value!r}")
        if self.history < self.samples:
            raise ValueError(f"history must be at least samples ({self.samples}), got {self.history}")


@dataclass
class _Parent:
    """A block or combo whose legs are waited for until ``due_ns``; NO_TIME when it has been told of."""

    due_ns: int
    seen_ns: int
    legs: list[Leg]


class LargeTrades(Engine):
    """Alerts of kind ``block`` and ``large_print``.

    A block is a print flagged as one, or an option's print or package of at least ``block_usd``; the legs of one
    ``block_id`` are one alert, told ``gather`` after the first, and told again with the same ``alert_id`` when a leg is late. A
    large print stands out of the prints before it. A cancel retracts the alert its print raised. A premium in coin is turned to USD at the trade's index,
    else at the newest of its underlying; without either its USD is not known and only a flagged block is told.

    Examples
    --------
    >>> from workstation.market.tables import TRADES
    >>> rows = LargeTrades().update(TRADES.conform(pd.DataFrame({
    ...     "event_ns": [5], "instrument": "BTC/USD:BTC-261225-100000-C", "price": 0.03, "size": 100.0, "side": 1,
    ...     "trade_id": "7", "index": 1e5})))
    >>> rows[["alert_id", "severity", "direction", "premium_usd"]].values.tolist()
    [['block:BTC/USD:BTC-261225-100000-C:7', 'low', 1, 300000.0]]
    >>> rows["explanation"][0]
    'print of block size: BTC 25 Dec 26 100000 C 100 bought at 0.03, premium 300,000 USD'
    """

    inputs: ClassVar[tuple[str, ...]] = ("trades", "marks", "heartbeat", "instruments")
    output: ClassVar[str] = "alerts"

    def __init__(self, parameters: LargeTradesParameters | None = None, **changes: Any) -> None:
        self.parameters = own = replace(parameters or LargeTradesParameters(), **changes)
        quiet, self._gather_ns = (nanoseconds(time) for time in (own.quiet, own.gather))
        self._limits = Limits(own.z, own.robust_z, own.samples, quiet)
        self._reset()

    def _reset(self) -> None:
        own = self.parameters
        self._watermark_ns = NO_TIME
        self._latest = LatestMarks()
        self._terms = TradedTerms()
        self._prints = PrintHistory(kept=own.history)
        self._parents: dict[str, _Parent] = {}
        self._raised: dict[tuple[str, str], dict[str, Any]] = {}

    # -- rows in, rows out --------------------------------------------------------------------------------

    def update(self, batch: pd.DataFrame, table: str = "") -> pd.DataFrame:
        """Take rows of one of ``inputs`` and give the alerts they raise."""
        table = table or self.inputs[0]
        if table not in self.inputs:
            raise ValueError(f"{type(self).__name__} reads {', '.join(self.inputs)}, not {table!r}")
        rows: list[dict[str, Any]] = []
        if len(batch):
            event_ns = batch["event_ns"].to_numpy()
            watermark = np.maximum(np.maximum.accumulate(event_ns), self._watermark_ns)
            if table == "trades":
                self._take_trades(batch, watermark, rows)
            else:
                self._take_rows(batch, table)
            self._watermark_ns = int(watermark[-1])
            self._close(self._watermark_ns, rows)
            self._forget()
        return alerts(rows)

    def beats(self, rows: Mapping[str, pd.DataFrame]) -> Beats:
        """Alerts go by the time at which they are due: a heartbeat that the next row reaches changes nothing."""
        return Beats(dict.fromkeys(rows, True))

    def _take_rows(self, rows: pd.DataFrame, table: str) -> None:
        if table == "marks":
            self._latest.take(rows)
        elif table == "instruments":
            terms = terms_of(rows)
            self._latest.describe(terms)
            self._terms.describe(terms)

    # -- trades -------------------------------------------------------------------------------------------

    def _take_trades(
        self,
        batch: pd.DataFrame,
        watermark: npt.NDArray[np.int64],
        rows: list[dict[str, Any]],
    ) -> None:
        codes = np.asarray(batch["instrument"].array.codes, dtype=np.int64)
        self._terms.look_up(codes)
        option = self._terms.is_option[codes]
        index = self._index(batch, codes)
        coin = batch["size"].to_numpy() * self._terms.multiplier[codes]
        price = batch["price"].to_numpy()
        usd = price * coin * np.where(option & self._terms.inverse[codes], index, 1.0)
        flags = batch["flags"].to_numpy()
        listed = option & self._terms.is_listed[codes]
        judged = ~listed | self.parameters.listed_options
        cancel, known = judged & ((flags & CANCEL) != 0), judged & ~np.isnan(usd)
        screen = np.flatnonzero(((flags & (OFF_SCREEN | CANCEL)) == 0) & known)
        floor = np.where(option, self.parameters.large_option_usd, self.parameters.large_usd)
        sized = option & (usd >= self.parameters.block_usd) & ~(listed & ((flags & VOLUME_ONLY) != 0))
        block = judged & ~cancel & (((flags & PARENT) != 0) | sized)
        hits, told = self._prints.judge(
            codes=codes[screen],
            groups=np.where(option, self._terms.underlying[codes], -1).astype(np.int64)[screen],
            event_ns=batch["event_ns"].to_numpy()[screen],
            coin=coin[screen],
            usd=usd[screen],
            judged=((usd >= floor) & ~block)[screen],
            limits=self._limits,
        )
        large = dict(zip(screen[hits].tolist(), told, strict=True))
        candidates = np.flatnonzero(block | cancel).tolist()
        for row in sorted({*candidates, *large}):
            self._close(int(watermark[row]), rows)
            if cancel[row]:
                self._cancel(batch, row, int(watermark[row]), rows)
            elif block[row] or row in large:
                leg = self._leg(batch, row, float(coin[row]), float(usd[row]), float(index[row]))
                self._raise(leg, batch, row, int(watermark[row]), large.get(row), rows)

    def _index(self, batch: pd.DataFrame, codes: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        index = np.array(batch["index"].to_numpy())
        lacking = np.flatnonzero(~(index > 0))
        if lacking.size:
            underlying = self._terms.underlying[codes[lacking]]
            for place in np.unique(underlying[underlying >= 0]).tolist():
                index[lacking[underlying == place]] = spot_of(self._latest, self._terms.underlyings[place])
        return index

    def _leg(self, batch: pd.DataFrame, row: int, coin: float, usd: float, index: float) -> Leg:
        instrument = batch["instrument"].array
        code = int(instrument.codes[row])
        option = bool(self._terms.is_option[code])
        delta = 1.0
        if option:
            delta = (
                float(self._latest.field("delta")[code]) if code < self._latest.kind.size else float("nan")
            )
        return Leg(
            instrument=str(instrument[row]),
            code=code,
            event_ns=int(batch["event_ns"].array[row]),
            trade_id=str(batch["trade_id"].array[row]),
            price=float(batch["price"].array[row]),
            size=float(batch["size"].array[row]),
            coin=coin,
            usd=usd,
            side=int(batch["side"].array[row]),
            flags=int(batch["flags"].array[row]),
            index_usd=index,
            is_option=option,
            delta=delta,
            sign=-1 if option and not self._terms.is_call[code] else 1,
        )

    def _raise(
        self,
        leg: Leg,
        batch: pd.DataFrame,
        row: int,
        now_ns: int,
        told: dict[str, float] | None,
        rows: list[dict[str, Any]],
    ) -> None:
        block_id = str(batch["block_id"].array[row])
        name = f"{leg.instrument}:{leg.trade_id or f'{leg.event_ns}:{leg.price!r}:{leg.size!r}'}"
        if told is not None:
            floor = self.parameters.large_option_usd if leg.is_option else self.parameters.large_usd
            self._tell(
                large_print_row(leg, told, alert_id=f"large_print:{name}", floor_usd=floor),
                [leg],
                now_ns,
                rows,
            )
        elif block_id and leg.flags & PARENT:
            parent = self._parent(f"{batch['venue'].array[row]}:{block_id}", now_ns)
            parent.legs.append(leg)
            parent.seen_ns = now_ns
            if parent.due_ns == NO_TIME:
                parent.due_ns = now_ns + self._gather_ns
        elif leg.flags & TradeFlag.BLOCK or leg.usd >= self.parameters.block_usd:
            self._tell(self._block([leg], f"block:{name}", ""), [leg], now_ns, rows)

    def _parent(self, name: str, now_ns: int) -> _Parent:
        parent = self._parents.get(name)
        if parent is None or (parent.due_ns == NO_TIME and parent.seen_ns < now_ns - KEEP_NS):
            parent = self._parents[name] = _Parent(NO_TIME, now_ns, [])
        return parent

    def _block(self, legs: list[Leg], alert_id: str, parent_id: str) -> dict[str, Any]:
        return block_row(legs, alert_id=alert_id, parent_id=parent_id, floor_usd=self.parameters.block_usd)

    def _close(self, now_ns: int, rows: list[dict[str, Any]]) -> None:
        """Tell of the parents whose time is up, in the order in which it was."""
        due = [
            (parent.due_ns, name)
            for name, parent in self._parents.items()
            if NO_TIME < parent.due_ns <= now_ns
        ]
        for _, name in sorted(due):
            parent = self._parents[name]
            parent.due_ns = NO_TIME
            flagged = any(leg.flags & TradeFlag.BLOCK for leg in parent.legs)
            if flagged or sum(leg.usd for leg in parent.legs) >= self.parameters.block_usd:
                row = self._block(parent.legs, f"block:{name}", name.partition(":")[2])
                self._tell(row, parent.legs, parent.seen_ns, rows)

    def _tell(self, row: dict[str, Any], legs: list[Leg], now_ns: int, rows: list[dict[str, Any]]) -> None:
        rows.append(row)
        for leg in legs:
            if leg.trade_id:
                self._raised[leg.instrument, leg.trade_id] = {**row, "raised_ns": now_ns}

    def _cancel(self, batch: pd.DataFrame, row: int, now_ns: int, rows: list[dict[str, Any]]) -> None:
        instrument, trade_id = str(batch["instrument"].array[row]), str(batch["trade_id"].array[row])
        for parent in self._parents.values():
            if parent.due_ns > NO_TIME:
                parent.legs[:] = [
                    leg
                    for leg in parent.legs
                    if (leg.instrument, leg.trade_id) != (instrument, trade_id) or not trade_id
                ]
        self._parents = {name: parent for name, parent in self._parents.items() if parent.legs}
        raised = self._raised.pop((instrument, trade_id), None)
        if raised is not None and raised.pop("raised_ns") >= now_ns - KEEP_NS:
            rows.append(retracted(raised, trade_id, int(batch["event_ns"].array[row])))

    def _forget(self) -> None:
        oldest = self._watermark_ns - KEEP_NS
        if self._parents:
            self._parents = {
                name: one
                for name, one in self._parents.items()
                if one.due_ns > NO_TIME or one.seen_ns >= oldest
            }
        if self._raised:
            self._raised = {key: row for key, row in self._raised.items() if row["raised_ns"] >= oldest}

    # -- state --------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """The whole state."""
        parents = {
            name: {"due_ns": one.due_ns, "seen_ns": one.seen_ns, "legs": [leg._asdict() for leg in one.legs]}
            for name, one in self._parents.items()
        }
        raised = [
            {**row, "key": list(key), "code": _name_of(int(row["code"]))} for key, row in self._raised.items()
        ]
        return {
            "watermark_ns": self._watermark_ns,
            "latest": self._latest.snapshot(),
            "terms": self._terms.snapshot(),
            "prints": self._prints.snapshot(self._terms.underlyings),
            "parents": parents,
            "raised": raised,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        self._reset()
        self._watermark_ns = int(state["watermark_ns"])
        self._latest.restore(state["latest"])
        self._terms.restore(state["terms"])
        self._prints.restore(state["prints"], self._terms.underlyings)
        for name, one in state["parents"].items():
            legs = [Leg(**leg)._replace(code=_code_of(leg["instrument"])) for leg in one["legs"]]
            self._parents[name] = _Parent(int(one["due_ns"]), int(one["seen_ns"]), legs)
        for row in state["raised"]:
            key = row["key"]
            kept = {name: value for name, value in row.items() if name != "key"}
            self._raised[key[0], key[1]] = kept | {"code": _code_of(row["code"]) if row["code"] else -1}


def _name_of(code: int) -> str:
    return str(REGISTRY.names(np.array([code]))[0]) if code >= 0 else ""


def _code_of(name: str) -> int:
    return int(REGISTRY.codes([name])[0])
