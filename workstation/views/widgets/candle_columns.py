"""Candles and the newest trade as a chart of candles draws them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workstation.market.instruments import REGISTRY


def candle_columns(candles: pd.DataFrame) -> dict[str, np.ndarray]:
    """Candles as columns a figure draws: time in ms at the candle's middle; rising and falling ones apart.

    A body of the other direction has no width (a NaN would upset the browser's spatial index), a wick is NaN.
    """
    begin = candles["event_ns"].to_numpy()
    every = candles["every_ns"].to_numpy()
    columns = {name: candles[name].to_numpy(copy=True) for name in ("open", "high", "low", "close", "volume")}
    rising = columns["close"] >= columns["open"]
    opened, closed = columns["open"], columns["close"]
    columns |= {
        "x": (begin + every // 2) / 1e6,
        "width": every * 0.72e-6,
        "middle": 0.5 * (opened + closed),
        "body": np.abs(closed - opened),
    }
    for name, mask in (("up", rising), ("down", ~rising)):
        columns[f"{name}_width"] = np.where(mask, columns["width"], 0.0)
        columns |= {f"{name}_{end}": np.where(mask, columns[end], np.nan) for end in ("high", "low")}
    return columns


def newest_trade(trades: pd.DataFrame, name: str, candles: pd.DataFrame) -> tuple[float, float]:
    """Time in ms and price of an instrument's newest trade, else of its newest candle; NaN when there is none."""
    code = REGISTRY.codes([name])[0] if name else -1
    rows = np.flatnonzero(trades["instrument"].cat.codes.to_numpy() == code)
    if rows.size:
        return trades["event_ns"].to_numpy()[rows[-1]] / 1e6, float(trades["price"].to_numpy()[rows[-1]])
    if len(candles):
        return candles["event_ns"].iloc[-1] / 1e6, float(candles["close"].iloc[-1])
    return float("nan"), float("nan")
