"""Tick indicators by their definitions in plain Python: lists, ``math`` and ``statistics``, every window from scratch."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from itertools import pairwise
from statistics import fmean, pstdev
from typing import Any

NAN = float("nan")


def sign(value: float) -> int:
    return (value > 0) - (value < 0)


def smoothed(values: list[float], kind: str, n: int) -> list[float]:
    if kind == "sma":
        return [fmean(values[i - n + 1 : i + 1]) if i >= n - 1 else NAN for i in range(len(values))]
    lag = (n - 1) // 2 if kind == "zlma" else 0
    inputs = [x if i < lag else 2 * x - values[i - lag] for i, x in enumerate(values)] if lag else values
    out: list[float] = []
    for x in inputs:
        out.append(x if not out else 2 / (n + 1) * x + (1 - 2 / (n + 1)) * out[-1])
    return out


def measured(
    times: list[int], prices: list[float], kind: str = "zlma", ticks: int = 100, length: int = 20, window: int = 1000,
    split: float = 0.8, k: float = 2.0,
) -> list[dict[str, Any]]:  # fmt: skip
    """One row per tick from the ``ticks + 1``-th on."""
    returns = [1e4 * math.log(b / a) for a, b in pairwise(prices)]
    rows: list[dict[str, Any]] = []
    for i in range(ticks, len(prices)):
        last = returns[i - ticks : i]
        path, move = math.fsum(map(abs, last)), math.fsum(last)
        seconds = max((times[i] - times[i - ticks]) / 1e9, 0.001)
        rows.append(
            {
                "event_ns": times[i], "price": prices[i], "intensity": path / seconds, "velocity": move / seconds,
                "efficiency": abs(move) / path if path else NAN,
            }
        )  # fmt: skip
    older = round(window * split)
    seen: list[float] = []
    for row, value in zip(rows, smoothed([r["intensity"] for r in rows], kind, length), strict=True):
        row |= {"smoothed": value, "mean_base": NAN, "sd_base": NAN, "buffer": NAN}
        if math.isnan(value):
            continue
        seen.append(value)
        if len(seen) >= window:
            base, recent = seen[-window : older - window], seen[older - window :]
            mean, sd = fmean(base), pstdev(base)
            cv = 0.8 * sd / mean + 0.2 * pstdev(recent) / fmean(recent)
            row |= {"mean_base": mean, "sd_base": sd, "buffer": k * mean * cv}
    return rows


def spikes(rows: list[dict[str, Any]], start: float = 3.0, end: float = 1.0) -> list[tuple[Any, ...]]:
    """(start_ns, peak_ns, end_ns, height_sd, peak, direction)."""
    found: list[tuple[Any, ...]] = []
    burst: list[dict[str, Any]] = []
    for row in rows:
        if burst and row["smoothed"] < row["mean_base"] + end * row["sd_base"]:
            top = max(burst, key=lambda r: r["smoothed"])
            height = (top["smoothed"] - top["mean_base"]) / top["sd_base"]
            found.append(
                (
                    burst[0]["event_ns"],
                    top["event_ns"],
                    row["event_ns"],
                    height,
                    top["smoothed"],
                    sign(top["velocity"]),
                )
            )
            burst = []
        elif burst or row["smoothed"] > row["mean_base"] + start * row["sd_base"]:
            burst.append(row)
    return found


def burst_reversals(
    rows: list[dict[str, Any]], momentum: int = 50, moves: int = 1000
) -> list[tuple[int, int, int]]:
    """(event_ns, version, side) of v1 and v2."""
    move = [
        1e4 * math.log(row["price"] / rows[i - momentum]["price"]) if i >= momentum else NAN
        for i, row in enumerate(rows)
    ]
    found: list[tuple[int, int, int]] = []
    burst: dict[str, Any] = {}
    for i, row in enumerate(rows):
        level = row["smoothed"]
        if not burst and row["velocity"] and level > row["mean_base"] + row["buffer"]:
            burst = {"d": sign(row["velocity"]), "levels": [], "prices": [], "fired": set()}
        if not burst:
            continue
        d = burst["d"]
        burst["levels"].append(level)
        burst["prices"].append(row["price"])
        fell = max(burst["levels"]) - level > row["buffer"]
        if 1 not in burst["fired"] and fell and sign(row["velocity"]) != d:
            burst["fired"].add(1)
            found.append((row["event_ns"], 1, -d))
        known = move[max(i - moves + 1, 0) : i + 1]
        if 2 not in burst["fired"] and len(known) == moves and not math.isnan(known[0]):
            extreme = max(burst["prices"]) if d > 0 else min(burst["prices"])
            pull_back = d * 1e4 * math.log(extreme / row["price"])
            if pull_back > pstdev(known) and sign(move[i]) == -d:
                burst["fired"].add(2)
                found.append((row["event_ns"], 2, -d))
        if level <= row["mean_base"]:
            burst = {}
    return found


class TrendOracle:
    """Closed candles of one length."""

    def __init__(self) -> None:
        self.candles: list[dict[str, float]] = []

    def ema(self, length: int) -> list[float]:
        return smoothed([c["close"] for c in self.candles], "ema", length)

    def true_ranges(self) -> list[float]:
        out = []
        for i, c in enumerate(self.candles):
            before = self.candles[i - 1]["close"] if i else c["close"]
            out.append(
                max(c["high"] - c["low"], abs(c["high"] - before), abs(c["low"] - before))
                if i
                else c["high"] - c["low"]
            )
        return out

    def atr(self, n: int = 14) -> float:
        ranges = self.true_ranges()
        value = fmean(ranges[:n])
        for true_range in ranges[n:]:
            value = (value * (n - 1) + true_range) / n
        return value

    def choppiness(self, n: int = 14) -> float:
        last = self.candles[-n:]
        span = max(c["high"] for c in last) - min(c["low"] for c in last)
        return 100 * math.log10(sum(self.true_ranges()[-n:]) / span) / math.log10(n)


def crossings(candles: list[dict[str, float]], every_ns: int) -> list[tuple[int, int, int]]:
    """v4 on closed candles."""
    trend, found, above = TrendOracle(), [], 0
    for candle in candles:
        volumes = [c["volume"] for c in trend.candles[-20:]]
        trend.candles.append(candle)
        side = sign(trend.ema(9)[-1] - trend.ema(21)[-1])
        if not side or side == above:
            continue
        crossed, above = above != 0 and len(trend.candles) >= 21, side
        usual = fmean(volumes) if len(volumes) == 20 else NAN
        if crossed and trend.choppiness() < 61.8 and candle["volume"] > 2 * usual:
            found.append((int(candle["event_ns"]) + every_ns, 4, side))
    return found


def confirmations(
    candidates: list[tuple[int, int, int]], trades: list[tuple[int, float, float]], low: list[dict[str, float]],
    high: list[dict[str, float]],
) -> list[tuple[int, int, int]]:  # fmt: skip
    """v3: v1's signals (event_ns, 1, side) against closed candles and the one in progress."""
    found = []
    times = [event_ns for event_ns, _, _ in trades]
    for number, (at, _, side) in enumerate(candidates):
        until = candidates[number + 1][0] if number + 1 < len(candidates) else 2**63
        last = min(bisect_right(times, at + 60 * 10**9), bisect_left(times, until))
        for event_ns, price, _ in trades[bisect_left(times, at) : last]:
            near = closed_by(low, 10 * 10**9, event_ns)
            far = closed_by(high, 60 * 10**9, event_ns)
            if len(near.candles) < 20 or len(far.candles) < 21:
                continue
            begin = event_ns // (10 * 10**9) * 10 * 10**9
            volume = sum(
                size for _, _, size in trades[bisect_left(times, begin) : bisect_right(times, event_ns)]
            )
            fast, slow = near.ema(9), far.ema(21)
            agreed = side * (slow[-1] - slow[-2]) >= 0 or -side * (price - slow[-1]) > 2 * far.atr()
            usual = fmean(c["volume"] for c in near.candles[-20:])
            if sign(fast[-1] - fast[-2]) == side and agreed and volume >= 1.5 * usual:
                found.append((event_ns, 3, side))
                break
    return found


def closed_by(candles: list[dict[str, float]], every_ns: int, event_ns: int) -> TrendOracle:
    """The trend over candles, in time order, that had ended by a time."""
    trend = TrendOracle()
    trend.candles = candles[: bisect_right(candles, event_ns - every_ns, key=lambda c: c["event_ns"])]
    return trend
