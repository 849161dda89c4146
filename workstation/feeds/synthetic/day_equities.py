"""Equity quotes and prints of the synthetic options day: on exchange, retail, blocks and patient buyers off exchange."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from workstation.market.tables import TradeFlag

MS, SECOND = 10**6, 10**9
_OFF = int(TradeFlag.OFF_EXCHANGE)


def equity_rows(
    name: str, spot: np.ndarray, rng: np.random.Generator, start: int, parts: dict[str, list[Any]]
) -> None:
    """Add quotes five times a second, and prints with their truth; off-exchange prints are reported up to ten seconds late."""
    seconds = len(spot) - 700
    at = start + np.arange(seconds * 5) * (SECOND // 5)
    mid = np.repeat(spot[:seconds], 5)
    bid = np.floor(mid * 100) / 100
    parts["quotes"].append(pd.DataFrame({
        "event_ns": at, "instrument": name, "bid": bid, "ask": np.round(bid + 0.02, 2), "bid_size": 300.0, "ask_size": 300.0, "exchange": "",
        "venue": "sip",
    }))  # fmt: skip
    plain = _prints(rng, bid, start, seconds, count=seconds)
    events = _events(rng, bid, start, seconds)
    rows = pd.DataFrame(plain + events)
    rows["trade_id"] = [f"{name}e{place}" for place in range(len(rows))]
    truth = rows[["trade_id", "kind", "side"]].to_dict("records")
    parts["equities"] += [{**one, "name": name} for one in truth]
    parts["trades"].append(
        rows.drop(columns=["kind", "side"]).assign(instrument=name, venue="sip", condition="")
    )


def _row(
    at: int, price: float, size: float, kind: str, side: int, *, off: bool, late_ns: int
) -> dict[str, Any]:
    return {
        "event_ns": at, "seen_ns": at + late_ns, "price": round(price, 4), "size": size, "exchange": "D" if off else "P",
        "flags": _OFF if off else 0, "kind": kind, "side": side,
    }  # fmt: skip


def _prints(
    rng: np.random.Generator, bid: np.ndarray, start: int, seconds: int, *, count: int
) -> list[dict[str, Any]]:
    """Small prints: at the quote on exchange, and retail ones with a fraction of a cent of improvement off exchange."""
    rows = []
    for _ in range(count):
        at = start + int(rng.integers(0, seconds * SECOND))
        low = bid[min((at - start) * 5 // SECOND, len(bid) - 1)]
        side = int(rng.choice((-1, 1)))
        size = float(rng.integers(1, 3) * 100)
        if rng.random() < 0.4:
            inside = float(rng.integers(5, 35)) / 10_000
            price = low + 0.02 - inside if side > 0 else low + inside
            rows.append(
                _row(at, price, size, "retail", side, off=True, late_ns=int(rng.integers(1, 10_000)) * MS)
            )
        else:
            rows.append(_row(at, low + 0.02 * (side > 0), size, "exchange", side, off=False, late_ns=MS))
    return rows


def _events(rng: np.random.Generator, bid: np.ndarray, start: int, seconds: int) -> list[dict[str, Any]]:
    """Every two minutes a block at the mid, or a buyer or seller who prints six times within half a minute."""
    rows: list[dict[str, Any]] = []
    for minute in range(0, max(seconds // 60 - 1, 0), 2):
        begin = start + minute * 60 * SECOND + int(rng.integers(0, 20)) * SECOND
        kind = str(rng.choice(("absorbed_block", "stealth_accumulation", "distribution")))
        for part in range(1 if kind == "absorbed_block" else 6):
            at = begin + part * 4 * SECOND + int(rng.integers(0, SECOND))
            low = bid[min((at - start) * 5 // SECOND, len(bid) - 1)]
            price = {
                "absorbed_block": low + 0.01,
                "stealth_accumulation": low + 0.02,
                "distribution": low,
            }[kind]
            side = {"absorbed_block": 0, "stealth_accumulation": 1, "distribution": -1}[kind]
            size = (
                float(rng.integers(30, 80)) * 100
                if kind == "absorbed_block"
                else float(rng.integers(7, 12)) * 100
            )
            rows.append(_row(at, price, size, kind, side, off=True, late_ns=int(rng.integers(1, 10_000)) * MS))  # fmt: skip
    return rows
