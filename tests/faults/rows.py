"""Rows and files the rounds write, and what must be in a store afterwards."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from workstation.history import History

ROOT = Path(__file__).parents[2]
PYTHON = sys.executable
MAPPING = """table: trades
time: {column: time, format: ms}
instrument: {constant: BTC/USDT}
constants: {venue: binance}
columns: {price: price, size: qty}
"""
FIRST_MS = 1_774_000_020_000


def trades(first: int, count: int) -> pd.DataFrame:
    """Numbered prints ``first`` .. ``first + count``; the price is the number."""
    number = np.arange(first, first + count)
    return pd.DataFrame(
        {
            "seq": number + 1,
            "event_ns": FIRST_MS * 10**6 + number * 1000,
            "instrument": "BTC/USDT",
            "price": number * 1.0,
            "size": 1.0,
        }
    )


def csv(numbers: range) -> str:
    """Prints without an id: two of each number are equal, and must both be kept."""
    lines = (f"{FIRST_MS + n // 4},{n // 2},1\n" for n in numbers)
    return "time,price,qty\n" + "".join(lines)


def expected(numbers: range) -> Counter[tuple[int, float]]:
    """How often each print of a file must be in a store."""
    return Counter((FIRST_MS * 10**6 + n // 4 * 10**6, float(n // 2)) for n in numbers)


def stored(history: History) -> Counter[tuple[int, float]]:
    """How often each print is."""
    if "trades" not in set(history.tables()["name"]):
        return Counter()
    rows = history.read("trades", columns=["event_ns", "price"])
    return Counter(zip(rows["event_ns"].tolist(), rows["price"].tolist(), strict=True))
