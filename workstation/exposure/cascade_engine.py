"""The live cascade risk: one row per underlying and timer tick."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import asdict, dataclass, field
from math import fsum
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd

from workstation.exposure.book import ledger
from workstation.exposure.cascade import CascadeScales, cascade_risk
from workstation.exposure.levels import priced_levels
from workstation.exposure.scenario import forced_flow_grid
from workstation.exposure.signs import unknown_reason
from workstation.exposure.snapshots import ChainSnapshots, ChainSnapshotsParameters
from workstation.flow.traded_terms import TimedSums, TradedTerms
from workstation.market.instants import MINUTE_NS, YEAR_DAYS
from workstation.market.tables import TradeFlag
from workstation.pricing.contracts import ContractArrays, Floats
from workstation.pricing.latest import OPTION
from workstation.pricing.timer import terms_of

DAY_MINUTES = 1440
RECENT_NS = 5 * MINUTE_NS
"""Liquidations, open interest and price are looked at over the last five minutes."""
SPAN_NS = 10_000_000_000
"""Liquidations are summed by ten seconds, so that five minutes end where a snapshot is taken."""
_SPANS = RECENT_NS // SPAN_NS
_DAY_SPANS = DAY_MINUTES * MINUTE_NS // SPAN_NS
_FALLS = np.array([-0.01, -0.03])


@dataclass(frozen=True)
class CascadeParameters(ChainSnapshotsParameters):
    """Parameters of ``Cascade``.

    Attributes
    ----------
    scales
        What counts in full; see ``CascadeScales``.
    least_minutes
        Whole minutes of trades that a median minute takes; minutes without a trade count as 0.
    least_liquidated
        Spans of five minutes with liquidations that their day's median takes; it is taken over those spans alone.
    """

    scales: CascadeScales = field(default_factory=CascadeScales)
    least_minutes: int = 10
    least_liquidated: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("least_minutes", "least_liquidated"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)!r}")


@dataclass
class _Held:
    """Open interest of the futures and perpetuals of an underlying at earlier snapshots."""

    times: list[int] = field(default_factory=list)
    spots: list[float] = field(default_factory=list)
    codes: list[npt.NDArray[np.int64]] = field(default_factory=list)
    units: list[Floats] = field(default_factory=list)

    def add(self, asof_ns: int, spot: float, codes: npt.NDArray[np.int64], units: Floats) -> None:
        for kept, value in zip(
            (self.times, self.spots, self.codes, self.units), (asof_ns, spot, codes, units), strict=True
        ):
            kept.append(value)  # type: ignore[attr-defined]
        beyond = bisect_right(self.times, asof_ns - RECENT_NS) - 1
        if beyond > 0:
            del self.times[:beyond], self.spots[:beyond], self.codes[:beyond], self.units[:beyond]

    def change(self) -> tuple[float, float, str]:
        """Change of open interest and of price, as shares, since five minutes before the newest; else why not."""
        at = bisect_right(self.times, self.times[-1] - RECENT_NS) - 1
        if not self.codes[-1].size:
            return np.nan, np.nan, "no open interest of a future or perpetual is known"
        if at < 0:
            return np.nan, np.nan, "snapshots do not reach five minutes back"
        _, now, then = np.intersect1d(self.codes[-1], self.codes[at], assume_unique=True, return_indices=True)
        before = fsum(self.units[at][then])
        if not before > 0:
            return np.nan, np.nan, "no open interest of a future or perpetual five minutes ago"
        change = fsum(self.units[-1][now]) / before - 1.0
        return change, self.spots[-1] / self.spots[at] - 1.0, ""


class Cascade(ChainSnapshots):
    """Live cascade risk: one row per underlying and snapshot, with every part as measured and its score.

    When a snapshot is taken: see ``ChainSnapshots``. The volume of a minute is that of spot, perpetuals and futures of the
    underlying over the last day; a cancel takes its volume out of the minute it arrives in. Open interest is that of its
    futures and perpetuals.
    """

    inputs: ClassVar[tuple[str, ...]] = (*ChainSnapshots.inputs, "liquidations")
    output = "cascade"
    parameters: CascadeParameters

    def __init__(self, parameters: CascadeParameters | None = None, **changes: Any) -> None:
        super().__init__(parameters or CascadeParameters(), **changes)

    def _reset(self) -> None:
        super()._reset()
        self._terms = TradedTerms()
        self._volume = TimedSums(width_ns=MINUTE_NS, kept=DAY_MINUTES + 1)
        self._liquidated = TimedSums(width_ns=SPAN_NS, kept=_DAY_SPANS)
        self._held: dict[str, _Held] = {}

    @property
    def _absorbed(self) -> frozenset[str]:
        return frozenset({"trades", "liquidations"})

    @property
    def _absorbed_freely(self) -> frozenset[str]:
        return self._absorbed - super()._absorbed

    def _take(self, rows: pd.DataFrame, table: str) -> None:
        super()._take(rows, table)
        if not len(rows):
            return
        if table == "instruments":
            self._terms.describe(terms_of(rows))
        elif table in ("trades", "liquidations"):
            codes = np.asarray(rows["instrument"].array.codes)
            self._terms.look_up(codes)
            units = rows["size"].to_numpy() * self._terms.multiplier[codes]
            usd, event_ns = rows["price"].to_numpy() * units, rows["event_ns"].to_numpy()
            of = np.where(self._terms.is_option[codes], -1, self._terms.underlying[codes]).astype(np.int32)
            if table == "trades":
                cancelled = (rows["flags"].to_numpy() & int(TradeFlag.CANCEL)) != 0
                self._volume.add(of=of, event_ns=event_ns, usd=np.where(cancelled, -usd, usd))
            else:
                reported = rows["usd"].to_numpy()
                self._liquidated.add(
                    of=of, event_ns=event_ns, usd=np.where(np.isnan(reported), usd, reported)
                )

    def _rows(self, contracts: ContractArrays, flow: Floats | None) -> dict[str, Any]:
        sign_model, basis = self.parameters.sign_model, self.parameters.basis
        position, found = priced_levels(contracts, sign_model=sign_model, basis=basis, flow=flow)
        forced = forced_flow_grid(
            contracts, position=position, spot_moves=_FALLS, vol_moves=np.zeros(1), days=np.zeros(1)
        ).forced_flow[0, 0]
        reasons: dict[str, str] = {}
        inputs = {
            "spot": contracts.spot,
            "net_gex": found.net_gex,
            "zero_gamma": found.zero.nearest,
            "put_wall": found.put_wall,
            "daily_sd": found.atm_iv / np.sqrt(YEAR_DAYS),
            "forced_flow_1pct": float(forced[0]),
            "forced_flow_3pct": float(forced[1]),
            **self._minute(contracts, reasons),
            **self._liquidations(contracts, reasons),
            **self._unwinding(contracts, reasons),
        }
        if found.zero.reason:
            reasons["below_zero_gamma"] = found.zero.reason
        if unknown := unknown_reason(position, basis):
            reasons |= dict.fromkeys(
                ("below_zero_gamma", "forced_selling_1pct", "forced_selling_3pct", "put_wall_distance"),
                unknown,
            )
        risk = cascade_risk(**inputs, scales=self.parameters.scales, reasons=reasons)
        reported = {
            **ledger(contracts, sign_model, basis, position),
            "inputs": inputs,
            "scales": asdict(self.parameters.scales),
        }
        row: dict[str, Any] = {"spot": contracts.spot, "score": risk.score, "known": risk.known}
        for name, part in risk.parts.items():
            row[name], row[f"{name}_score"] = part
        row["unwind"] = risk.unwind
        row["missing"] = "; ".join(f"{name}: {why}" for name, why in risk.missing.items())
        row["ledger"] = orjson.dumps(reported, option=orjson.OPT_SERIALIZE_NUMPY).decode()
        return {name: [value] for name, value in row.items()}

    def _place(self, underlying: str) -> int:
        known = self._terms.underlyings
        return known.index(underlying) if underlying in known else -1

    def _minute(self, contracts: ContractArrays, reasons: dict[str, str]) -> dict[str, float]:
        """Median USD of the whole minutes of the last day, from the first that was seen whole."""
        row, now = self._place(contracts.underlying), contracts.asof_ns // MINUTE_NS
        first = self._volume.first[row] + 1 if 0 <= row < len(self._volume.first) else now
        minutes = self._volume.between(row, min(max(first, now - DAY_MINUTES), now), now)
        median = float(np.median(minutes)) if minutes.size >= self.parameters.least_minutes else np.nan
        if not median > 0:
            short = f"{minutes.size} of {self.parameters.least_minutes} whole minutes of trades"
            reason = short if np.isnan(median) else "nothing is traded in the median minute"
            reasons["forced_selling_1pct"] = reasons["forced_selling_3pct"] = reason
        return {"minute_volume_usd": median}

    def _liquidations(self, contracts: ContractArrays, reasons: dict[str, str]) -> dict[str, float]:
        row, stop = self._place(contracts.underlying), contracts.asof_ns // SPAN_NS
        spans = self._liquidated.between(row, stop - _DAY_SPANS, stop).reshape(-1, _SPANS).sum(axis=1)
        before = spans[:-1][spans[:-1] > 0]
        if before.size < self.parameters.least_liquidated:
            least = self.parameters.least_liquidated
            reasons["liquidations"] = (
                f"{before.size} of {least} earlier five minutes with liquidations in a day"
            )
            return {"liquidations_usd": float(spans[-1]), "liquidations_median_usd": np.nan}
        return {"liquidations_usd": float(spans[-1]), "liquidations_median_usd": float(np.median(before))}

    def _unwinding(self, contracts: ContractArrays, reasons: dict[str, str]) -> dict[str, float]:
        latest = self._latest
        held = latest.field("open_interest")
        place = latest.underlyings.index(contracts.underlying)
        codes = np.flatnonzero((latest.underlying == place) & (latest.kind != OPTION) & ~np.isnan(held))
        multiplier = latest.multiplier[codes]
        history = self._held.setdefault(contracts.underlying, _Held())
        history.add(
            contracts.asof_ns, contracts.spot, codes, held[codes] * np.where(multiplier > 0, multiplier, 1.0)
        )
        change, price, reasons["open_interest_fall"] = history.change()
        return {"open_interest_change": change, "price_change": price}

    def snapshot(self) -> dict[str, Any]:
        """The whole state, sums and open interest included."""
        held = {
            name: {
                **asdict(kept),
                "codes": [self._latest.keys(codes) for codes in kept.codes],
            }
            for name, kept in self._held.items()
        }
        return {
            **super().snapshot(),
            "held": held,
            "terms": self._terms.snapshot(),
            "volume": self._volume.snapshot(),
            "liquidated": self._liquidated.snapshot(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        super().restore(state)
        self._terms.restore(state["terms"])
        self._volume.restore(state["volume"])
        self._liquidated.restore(state["liquidated"])
        for name, kept in state["held"].items():
            codes = [self._latest.places(keys) for keys in kept["codes"]]
            self._held[name] = _Held(list(kept["times"]), list(kept["spots"]), codes, list(kept["units"]))
