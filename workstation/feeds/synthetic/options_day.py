"""A US options day with the truth beside it: who traded, on which side, as part of what, and whether it opened.

Prints carry OPRA trade types; quotes are consolidated and of single venues; parents are sweeps, splits, blocks, writes and packages;
some prints are late, cancelled or corrected; equity prints off exchange are reported seconds after their execution; the open interest of
the morning and of the next one says what opened. Everything is drawn from one seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workstation.feeds.synthetic.day_equities import equity_rows
from workstation.market.conditions import flags as condition_flags
from workstation.market.instants import YEAR_NS
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.symbology import render
from workstation.market.symbology.terms import Terms
from workstation.market.tables import INSTRUMENTS, MARKS, QUOTES, TRADES
from workstation.pricing.black import price as black_price

MS, SECOND = 10**6, 10**9
VENUES = ("C", "P", "Q", "Z", "X", "N")
TICK = 0.01
PARENTS = (
    ("call_sweep", 0.14), ("put_sweep", 0.12), ("split", 0.10), ("block", 0.08), ("put_write", 0.08), ("call_overwrite", 0.08),
    ("vertical", 0.10), ("straddle", 0.08), ("strangle", 0.06), ("iron_condor", 0.04), ("butterfly", 0.04), ("roll", 0.04),
    ("zero_dte", 0.02), ("far_dated", 0.02),
)  # fmt: skip
"""Kinds of parents and how often each comes."""
WRITTEN = 500.0
"""Contracts that a put write or an overwrite sells at least."""


@dataclass(frozen=True)
class OptionsDay:
    """Rows of raw tables, and of the truth: ``prints`` (trade_id, parent_id, side), ``parents`` (kind, name, side, opening) and
    ``equities`` (trade_id, kind, side)."""

    tables: dict[str, pd.DataFrame]
    truth: dict[str, pd.DataFrame]

    def save(self, folder: str | Path) -> None:
        """Write every table and every table of truth as Parquet into a folder."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        for kind, frames in (("table", self.tables), ("truth", self.truth)):
            for name, frame in frames.items():
                plain = frame.astype(dict.fromkeys(frame.select_dtypes("category"), "str"))
                plain.to_parquet(target / f"{kind}_{name}.parquet")


@dataclass(frozen=True)
class _Name:
    """One underlying: its contracts and its price each second."""

    name: str
    spot: np.ndarray
    contracts: pd.DataFrame
    vol: float


def options_day(
    *, seed: int = 0, names: Sequence[str] = ("SPY", "NVDA"), day: str = "2026-11-30", minutes: float = 20.0, noise_per_s: float = 4.0,
    parents_per_minute: float = 6.0,
) -> OptionsDay:  # fmt: skip
    """Draw a day.

    Parameters
    ----------
    seed
        Same seed and parameters: same rows.
    names
        Underlyings.
    day
        Session; it begins at 09:30 New York.
    minutes
        Length of the session.
    noise_per_s
        Small prints per second and name.
    parents_per_minute
        Sweeps, blocks, packages and so on, per name.

    Examples
    --------
    >>> drawn = options_day(minutes=1.0, names=("SPY",))
    >>> sorted(drawn.tables), sorted(drawn.truth)
    (['instruments', 'marks', 'quotes', 'trades'], ['equities', 'parents', 'prints'])
    """
    rng = np.random.default_rng(seed)
    start = int(pd.Timestamp(f"{day} 09:30", tz="America/New_York").value)
    seconds = int(minutes * 60)
    parts: dict[str, list[Any]] = {
        key: [] for key in ("quotes", "trades", "marks", "prints", "parents", "equities")
    }
    every: list[str] = []
    for place, name in enumerate(names):
        one = _listed(name, rng, start, seconds, 600.0 if place % 2 == 0 else 180.0)
        every += [name, *one.contracts["instrument"]]
        _draw_name(one, rng, start, seconds, noise_per_s, parents_per_minute, parts)
        equity_rows(one.name, one.spot, rng, start, parts)
    trades = pd.concat(parts["trades"], ignore_index=True).sort_values("seen_ns", kind="stable")
    quotes = pd.concat(parts["quotes"], ignore_index=True).sort_values("event_ns", kind="stable")
    instruments = INSTRUMENTS.conform(INSTRUMENT_TERMS.describe(every).assign(event_ns=start))
    tables = {
        "instruments": instruments, "quotes": QUOTES.conform(quotes.reset_index(drop=True)),
        "trades": TRADES.conform(trades.reset_index(drop=True)),
        "marks": MARKS.conform(pd.concat(parts["marks"], ignore_index=True).sort_values("event_ns", kind="stable")),
    }  # fmt: skip
    truth = {key: pd.DataFrame(parts[key]) for key in ("prints", "parents", "equities")}
    return OptionsDay(tables, truth)


def _listed(name: str, rng: np.random.Generator, start: int, seconds: int, price: float) -> _Name:
    """Contracts of three expiries around the price, with the morning's open interest, and the price each second."""
    vol = 0.2 if price > 300 else 0.45
    steps = rng.normal(0.0, vol / np.sqrt(252 * 6.5 * 3600), seconds + 700)
    spot = price * np.exp(np.cumsum(steps))
    today = pd.Timestamp(start, tz="UTC").tz_convert("America/New_York").normalize().tz_localize(None)
    step = 5.0 if price > 300 else 2.5
    strikes = np.round(price / step) * step + step * np.arange(-5, 6)
    rows = []
    for days in (0, 18, 81):
        expiry = (today + pd.Timedelta(days=days)).date()
        for strike in strikes:
            for right in "CP":
                text = render(Terms("option", name, name, "", "", expiry, float(strike), right))
                rows.append((text, days, float(strike), right))
    contracts = pd.DataFrame(rows, columns=["instrument", "days", "strike", "right"])
    contracts["expiry_ns"] = INSTRUMENT_TERMS.describe(contracts["instrument"].tolist())[
        "expiry_ns"
    ].to_numpy()
    contracts["open_interest"] = rng.integers(50, 6000, len(contracts)).astype(float)
    return _Name(name, spot, contracts, vol)


def _quotes_at(one: _Name, rows: np.ndarray, at_ns: np.ndarray, start: int) -> tuple[np.ndarray, np.ndarray]:
    """Bid and ask of contracts at times: Black-76 around the spot of that second, on the tick."""
    spot = one.spot[np.clip((at_ns - start) // SECOND, 0, len(one.spot) - 1)]
    some = one.contracts.iloc[rows]
    years = np.maximum(some["expiry_ns"].to_numpy() - at_ns, 300 * SECOND) / YEAR_NS
    mid = black_price(
        forwards=spot, strikes=some["strike"].to_numpy(), years=years, vols=one.vol, is_call=(some["right"] == "C").to_numpy()
    )  # fmt: skip
    half = np.maximum(np.round(0.015 * mid / TICK), 2) * TICK
    bid = np.maximum(np.floor((mid - half) / TICK), 1) * TICK
    return np.round(bid, 2), np.round(bid + 2 * half, 2)


def _draw_name(
    one: _Name, rng: np.random.Generator, start: int, seconds: int, noise_per_s: float, parents_per_minute: float,
    parts: dict[str, list[Any]],
) -> None:  # fmt: skip
    orders = _noise(one, rng, start, seconds, noise_per_s)
    times = np.sort(rng.integers(5, max(seconds - 5, 6), rng.poisson(parents_per_minute * seconds / 60)))
    kinds, weights = [kind for kind, _ in PARENTS], np.array([weight for _, weight in PARENTS])
    for number, second in enumerate(times.tolist()):
        kind = str(rng.choice(kinds, p=weights / weights.sum()))
        parent = f"{one.name}-{number}-{kind}"
        at = start + second * SECOND + int(rng.integers(0, SECOND))
        orders += _parent(one, rng, kind, parent, at, start)
        opening = bool(rng.random() < 0.7)
        side = 1 if kind in ("call_sweep", "put_sweep", "zero_dte", "far_dated") else 0
        parts["parents"].append({
            "parent_id": parent, "kind": kind, "name": one.name, "at_ns": at, "side": side, "opening": opening,
        })  # fmt: skip
    orders.sort(key=lambda order: order["at"])
    _print(one, orders, rng, start, seconds, parts)


def _noise(
    one: _Name, rng: np.random.Generator, start: int, seconds: int, rate: float
) -> list[dict[str, Any]]:
    count = rng.poisson(rate * seconds)
    rows, at = (
        rng.integers(0, len(one.contracts), count),
        start + rng.integers(0, seconds * SECOND, count),
    )
    sizes, sides = np.maximum(np.rint(rng.lognormal(0.8, 0.9, count)), 1), rng.choice((-1, 1), count)
    inside, kind = rng.random(count) < 0.2, rng.random(count)
    orders = []
    for i in range(count):
        letter = "a" if kind[i] < 0.06 else "f" if kind[i] < 0.09 else "D" if kind[i] > 0.99 else "I"
        orders.append({
            "row": int(rows[i]), "at": int(at[i]), "size": float(sizes[i]), "side": int(sides[i]), "condition": letter,
            "venue": str(rng.choice(VENUES)), "parent": "", "inside": bool(inside[i]), "late": int(rng.integers(3, 45)) if letter == "D" else 0,
        })  # fmt: skip
    return orders


def _pick(
    one: _Name, rng: np.random.Generator, at: int, start: int, *, days: int, right: str = "", near: int = 3
) -> int:
    spot = one.spot[(at - start) // SECOND]
    some = one.contracts[
        (one.contracts["days"] == days) & ((one.contracts["right"] == right) | (right == ""))
    ]
    order = np.argsort(np.abs(some["strike"].to_numpy() - spot), kind="stable")[:near]
    return int(some.index[rng.choice(order)])


def _costing(one: _Name, at: int, start: int, right: str, price: float) -> int:
    """The contract of 18 days whose price is nearest to one: what is written lies out of the money."""
    rows = np.flatnonzero(((one.contracts["days"] == 18) & (one.contracts["right"] == right)).to_numpy())
    bid, ask = _quotes_at(one, rows, np.full(rows.size, at), start)
    return int(rows[np.argmin(np.abs(0.5 * (bid + ask) - price))])


def _worth(one: _Name, row: int, at: int, start: int, usd: float) -> float:
    """Contracts that cost about so many USD."""
    bid, ask = _quotes_at(one, np.array([row]), np.array([at]), start)
    return float(max(np.ceil(usd / (50.0 * (bid[0] + ask[0]))), 1.0))


def _parent(
    one: _Name, rng: np.random.Generator, kind: str, parent: str, at: int, start: int
) -> list[dict[str, Any]]:
    def order(
        row: int, side: int, size: float, condition: str, *, after_ms: int = 0, venue: str = "C"
    ) -> dict[str, Any]:
        return {
            "row": row, "at": at + after_ms * MS, "size": float(max(round(size), 1)), "side": side, "condition": condition, "venue": venue,
            "parent": parent, "inside": False, "late": 0,
        }  # fmt: skip

    if kind in ("call_sweep", "put_sweep", "zero_dte", "far_dated", "split"):
        right = (
            "P"
            if kind == "put_sweep"
            else "C"
            if kind in ("call_sweep", "zero_dte")
            else str(rng.choice(("C", "P")))
        )
        days = 0 if kind == "zero_dte" else 81 if kind == "far_dated" else 18
        row = _pick(one, rng, at, start, days=days, right=right)
        total = max(
            _worth(one, row, at, start, float(rng.uniform(90_000, 400_000))),
            600.0 if kind == "zero_dte" else 1.0,
        )
        count = int(rng.integers(4, 8))
        after = np.sort(rng.integers(0, 300, count))
        venues = ["C"] * count if kind == "split" else [VENUES[i % len(VENUES)] for i in range(count)]
        letter = "I" if kind == "split" else "S"
        return [
            order(row, 1, total / count, letter, after_ms=int(after[i]), venue=venues[i])
            for i in range(count)
        ]
    if kind in ("block", "put_write", "call_overwrite"):
        right = {"put_write": "P", "call_overwrite": "C"}.get(kind, str(rng.choice(("C", "P"))))
        row = _pick(one, rng, at, start, days=18, right=right)
        usd = float(rng.uniform(260_000, 700_000)) if kind == "block" else float(rng.uniform(60_000, 150_000))
        if kind == "block":
            size = _worth(one, row, at, start, usd)
            return [order(row, int(rng.choice((-1, 1))), size, str(rng.choice(("I", "c", "e"))))]
        row = _costing(one, at, start, right, usd / (100.0 * WRITTEN))
        size = max(_worth(one, row, at, start, usd), WRITTEN)
        return [order(row, -1, size / 2, "I", after_ms=40 * part, venue=VENUES[part]) for part in range(2)]
    return [order(*leg) for leg in _package(one, rng, kind, at, start)]


def _package(
    one: _Name, rng: np.random.Generator, kind: str, at: int, start: int
) -> list[tuple[int, int, float, str]]:
    """Legs of a package (row, side, size, trade type)."""
    days, side = 18, int(rng.choice((-1, 1)))
    table = one.contracts[one.contracts["days"] == days]
    strikes = np.sort(table["strike"].unique())
    centre = int(np.clip(np.argmin(np.abs(strikes - one.spot[(at - start) // SECOND])), 2, len(strikes) - 3))

    def row(right: str, place: int, expiry: int = days) -> int:
        some = one.contracts
        held = some[
            (some["days"] == expiry) & (some["right"] == right) & (some["strike"] == strikes[centre + place])
        ]
        return int(held.index[0])

    size = float(rng.integers(60, 400))
    right = str(rng.choice(("C", "P")))
    legs = {
        "vertical": [(row(right, 0), side, 1), (row(right, 2), -side, 1)],
        "straddle": [(row("C", 0), side, 1), (row("P", 0), side, 1)],
        "strangle": [(row("C", 2), side, 1), (row("P", -2), side, 1)],
        "iron_condor": [(row("P", -2), 1, 1), (row("P", -1), -1, 1), (row("C", 1), -1, 1), (row("C", 2), 1, 1)],
        "butterfly": [(row(right, -1), side, 1), (row(right, 0), -side, 2), (row(right, 1), side, 1)],
        "roll": [(row("C", 0), -1, 1), (row("C", 1, 81), 1, 1)],
    }[kind]  # fmt: skip
    return [(place, way, size * part, "f") for place, way, part in legs]


def _print(
    one: _Name, orders: list[dict[str, Any]], rng: np.random.Generator, start: int, seconds: int, parts: dict[str, list[Any]]
) -> None:  # fmt: skip
    """Quotes before every print and now and then, the prints, cancels and corrections, and open interest."""
    rows = np.array([order["row"] for order in orders])
    at = np.array([order["at"] for order in orders])
    side = np.array([order["side"] for order in orders])
    before = at - rng.integers(1, 200, len(orders)) * MS
    bid, ask = _quotes_at(one, rows, before, start)
    names = one.contracts["instrument"].to_numpy()
    _quote_rows(names[rows], before, bid, ask, rng, parts)
    everything = np.tile(np.arange(len(one.contracts)), seconds // 15 + 1)
    when = np.repeat(start + 15 * SECOND * np.arange(seconds // 15 + 1), len(one.contracts)) + rng.integers(
        0, SECOND, everything.size
    )
    _quote_rows(names[everything], when, *_quotes_at(one, everything, when, start), rng, parts)
    inside = np.array([order["inside"] for order in orders])
    width = ask - bid
    price = np.where(side > 0, ask, bid) - np.where(
        inside, side * np.round(rng.uniform(0.2, 0.7, len(orders)) * width / TICK) * TICK, 0.0
    )
    ids = [f"{one.name}{number}" for number in range(len(orders))]
    conditions = [order["condition"] for order in orders]
    spot = one.spot[np.clip((at - start) // SECOND, 0, len(one.spot) - 1)]
    trades = pd.DataFrame({
        "event_ns": at, "seen_ns": at + np.array([order["late"] for order in orders], dtype=np.int64) * SECOND + 2 * MS,
        "instrument": names[rows], "price": np.round(price, 2), "size": [order["size"] for order in orders],
        "flags": condition_flags(conditions), "condition": conditions, "exchange": [order["venue"] for order in orders],
        "trade_id": ids, "venue": "opra", "index": spot,
    })  # fmt: skip
    parts["trades"] += [trades, _cancels(trades, orders, rng, ids, parts)]
    truths = zip(ids, orders, strict=True)
    parts["prints"] += [
        {"trade_id": name, "parent_id": order["parent"], "side": order["side"], "condition": order["condition"]} for name, order in truths
    ]  # fmt: skip
    parts["marks"] += _open_interest(one, orders, parts["parents"], start)


def _quote_rows(
    names: Any, at: Any, bid: Any, ask: Any, rng: np.random.Generator, parts: dict[str, list[Any]]
) -> None:
    sizes = rng.integers(5, 200, (2, len(at))).astype(float)
    frame = pd.DataFrame({
        "event_ns": at, "instrument": names, "bid": bid, "ask": ask, "bid_size": sizes[0], "ask_size": sizes[1], "exchange": "",
        "venue": "opra",
    })  # fmt: skip
    behind = np.round(rng.integers(0, 2, len(at)) * TICK, 2)
    of_venue = frame.assign(
        exchange=rng.choice(VENUES, len(at)),
        bid=np.maximum(np.round(bid - behind, 2), TICK),
        event_ns=np.asarray(at) - 1,
    )
    parts["quotes"] += [frame, of_venue]  # fmt: skip


def _cancels(
    trades: pd.DataFrame, orders: list[dict[str, Any]], rng: np.random.Generator, ids: list[str], parts: dict[str, list[Any]]
) -> pd.DataFrame:  # fmt: skip
    """One print in 200 is cancelled some seconds later, half of those are corrected: printed again at another price."""
    plain = [place for place, order in enumerate(orders) if order["condition"] == "I"]
    chosen = [place for place in plain if rng.random() < 0.005]
    taken = trades.iloc[chosen]
    after = rng.integers(1, 20, len(chosen)) * SECOND
    cancels = taken.assign(
        event_ns=taken["event_ns"] + after, seen_ns=taken["seen_ns"] + after, condition="A", flags=condition_flags(["A"] * len(chosen))
    )  # fmt: skip
    again = cancels.iloc[::2].assign(condition="I", flags=0)
    again["trade_id"] = [f"{name}c" for name in again["trade_id"]]
    again["price"] = np.round(again["price"] + TICK, 2)
    parts["prints"] += [
        {"trade_id": f"{ids[place]}c", "parent_id": orders[place]["parent"], "side": orders[place]["side"], "condition": "I"}
        for place in chosen[::2]
    ]  # fmt: skip
    return pd.concat([cancels, again], ignore_index=True)


def _open_interest(
    one: _Name, orders: list[dict[str, Any]], parents: list[dict[str, Any]], start: int
) -> list[pd.DataFrame]:
    """Open interest of this morning and of the next: what opened less what closed, of contracts that live on."""
    opens = {parent["parent_id"]: parent["opening"] for parent in parents}
    change = np.zeros(len(one.contracts))
    for order in orders:
        if order["parent"]:
            change[order["row"]] += order["size"] * (1.0 if opens[order["parent"]] else -1.0)
    morning, next_morning = start - 10_800 * SECOND, start + 75_600 * SECOND
    held = one.contracts["open_interest"].to_numpy()
    base = {"instrument": one.contracts["instrument"], "venue": "opra"}
    first = pd.DataFrame({
        **base, "event_ns": start, "open_interest": held, "open_interest_ns": morning, "mark_iv": one.vol, "index": one.spot[0],
    })  # fmt: skip
    alive = (one.contracts["days"] > 0).to_numpy()
    later = pd.DataFrame({**base, "event_ns": next_morning, "open_interest": np.maximum(held + change, 0.0), "open_interest_ns": next_morning})[alive]  # fmt: skip
    return [first, later]
