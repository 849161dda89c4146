"""Smiles of recorded chains: how near they are to their quotes, what arbitrage was found and left, and how fast.

    WORKSTATION_SAMPLE_DATA=... python benchmarks/surface.py [rounds]

First table: root mean square residual in vol points and share of quotes with the smile inside their bid and ask, by time to expiry;
second: violations before and after repair, what was left out and why; third: time of a whole fit beside plain
SVI by ``scipy.optimize.least_squares`` (no repair) on the same quotes, fastest of the rounds on one core.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.optimize import least_squares

from workstation.feeds.files import Rejections, read
from workstation.pricing.chain import chain
from workstation.pricing.smile_quotes import Quotes, SmileParameters, choose, quotes_of_chain
from workstation.pricing.surface import surface
from workstation.pricing.surface_slices import fit_slices

BUCKETS = {"<1d": 1, "1-7d": 7, "7-30d": 30, "30-90d": 90, "90-365d": 365, ">1y": np.inf}


def chains(folder: Path) -> Iterator[tuple[str, xr.Dataset]]:
    """Every recorded chain: Deribit's 64 snapshots of two underlyings, Cboe's five pages."""
    for path in sorted((folder / "crypto_options" / "deribit_chain_snapshots").glob("*.csv.gz")):
        marks = marks_of(path, "table", mapping="deribit_snapshots")
        for underlying in ("BTC", "ETH"):
            yield f"Deribit {underlying}", chain(marks, underlying=underlying)
    for path in sorted((folder / "us_options").glob("cboe_*/*.gz")):
        found = chain(marks_of(path, "cboe"))
        yield f"Cboe {found.attrs['underlying']} {found.attrs['asof'][:10]}", found


def marks_of(path: Path, format_name: str, **options: Any) -> pd.DataFrame:
    """The marks of a recorded file."""
    batches = read(format_name, path, Rejections(), **options)
    return pd.concat([batch.frame for batch in batches if batch.table == "marks"], ignore_index=True)


def accounted(found: xr.Dataset) -> bool:
    """Whether every priced contract of the chain is either fitted to or left out for a reason."""
    priced = int((found["quoted_vol"].notnull() | (found["left_out_reason"] == "no_vol")).sum())
    return priced == found.attrs["fitted"] + sum(found.attrs["left_out"].values())


def plain_svi(quotes: Quotes) -> None:
    """The peer: one ``least_squares`` per expiry on the same quotes and weights."""
    choice = choose(quotes, SmileParameters())
    for expiry in np.unique(quotes.expiry_ns):
        at = np.flatnonzero((quotes.expiry_ns == expiry) & (choice.reason == 0))
        if at.size < 5:
            continue
        k, years = choice.log_moneyness[at], quotes.years[at[0]]
        w = choice.vol[at] ** 2 * years
        scale = np.sqrt(choice.weight[at] / choice.weight[at].mean()) / (2 * choice.vol[at] * years)

        def residual(p: Any, k: Any = k, w: Any = w, scale: Any = scale) -> Any:
            a, b, rho, m, sigma = p
            return scale * (a + b * (rho * (k - m) + np.sqrt((k - m) ** 2 + sigma**2)) - w)

        least_squares(
            residual,
            [0.5 * w.min(), 0.1, -0.3, 0.0, 0.1],
            bounds=([-1.0, 0.0, -0.999, -3.0, 1e-4], [max(2 * w.max(), 1e-6), 2.0, 0.999, 3.0, 5.0]),
        )


def fastest(work: Callable[[], Any], rounds: int) -> float:
    """Seconds of the fastest round."""
    work()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main(rounds: int = 5) -> None:
    """Print the three tables."""
    folder = Path(os.environ["WORKSTATION_SAMPLE_DATA"])
    residuals: list[dict[str, Any]] = []
    counts: list[dict[str, Any]] = []
    timed: dict[str, xr.Dataset] = {}
    for name, found_chain in chains(folder):
        timed[name] = found_chain
        found = surface(found_chain)
        bucket = pd.cut(found["years"].to_numpy() * 365, [0, *BUCKETS.values()], labels=list(BUCKETS))
        for row, label in enumerate(bucket):
            columns = ("contracts", "rmse", "within_spread")
            residuals.append({"chain": name, "to expiry": label} | {c: float(found[c][row]) for c in columns})
        left_out = {f"out: {reason}": n for reason, n in found.attrs["left_out"].items()}
        dropped = {f"out: {reason}": n for reason, n in found.attrs["dropped"].items()}
        (g_before, g_after), (w_before, w_after) = (
            found.attrs[f"{kind}_violations"] for kind in ("butterfly", "calendar")
        )
        counts.append(
            {
                "chain": name, "chains": 1, "expiries": found.sizes["expiry"],
                "smiles with butterflies": int((found["butterfly_violations"] > 0).sum()),
                "with crossings": int((found["calendar_violations"] > 0).sum()),
                "g < 0 before": g_before, "after": g_after, "w falls before": w_before, "after ": w_after,
                "refused": found.attrs["refused"], "fitted": found.attrs["fitted"], **left_out, **dropped,
                "merged": found.attrs["merged"], "unaccounted": int(not accounted(found)),
            }
        )  # fmt: skip
    table = pd.DataFrame(residuals).dropna(subset="rmse")
    table["squares"], table["inside"] = (
        table["contracts"] * table["rmse"] ** 2,
        table["contracts"] * table["within_spread"],
    )
    sums = table.groupby(["chain", "to expiry"], observed=True, sort=False)[
        ["contracts", "squares", "inside"]
    ].sum()
    sums["rmse, vol points"] = (100 * np.sqrt(sums["squares"] / sums["contracts"])).round(3)
    sums["inside bid and ask"] = (sums["inside"] / sums["contracts"]).round(3)
    median = 100 * table.groupby(["chain", "to expiry"], observed=True)["rmse"].median()
    sums["median of smiles"] = median.round(3)
    print(sums.drop(columns=["squares", "inside"]).astype({"contracts": int}).to_string(), "\n")
    print(pd.DataFrame(counts).groupby("chain", sort=False).sum().T.to_string(), "\n")
    print(f"{'chain':24}{'contracts':>10}{'expiries':>9}{'ours, ms':>10}{'scipy, ms':>11}{'ratio':>7}")
    for name, found_chain in timed.items():
        quotes, _ = quotes_of_chain(found_chain)
        ours = fastest(lambda quotes=quotes: fit_slices(quotes, SmileParameters()), rounds)
        peer = fastest(lambda quotes=quotes: plain_svi(quotes), 1)
        expiries = found_chain.sizes["expiry"]
        print(
            f"{name:24}{quotes.strike.size:10}{expiries:9}{1e3 * ours:10.1f}{1e3 * peer:11.1f}{peer / ours:7.1f}"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
