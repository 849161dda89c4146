"""Black-76 greeks and implied volatility of a million options beside their peers, on one core in one run.

Beside the greeks stand two limits: of memory, twelve passes over as many numbers as the greeks read and write; of arithmetic, the
same kernel as often over one block that stays in the cache. ``to ours`` is the time over that of our greeks into kept
arrays; what fresh arrays cost on top is the system clearing their pages, and the line that says so compares fresh with fresh.

The peers: the textbook formulas in NumPy with SciPy's ndtr, and py_vollib_vectorized where it is installed
(``py_vollib_vectorized==0.1.1 py_vollib==1.0.1 py_lets_be_rational==1.0.1``; newer py_vollib does not work with it).
"""

from __future__ import annotations

import argparse
import importlib
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import ndtr

from workstation.pricing.arguments import BLOCK
from workstation.pricing.black import GREEKS, delta_profile, gamma_profile, greeks, price
from workstation.pricing.black_kernels import fill_slopes
from workstation.pricing.implied import implied_vol

SIX = ("delta", "gamma", "vega", "theta", "vanna", "charm")
Columns = dict[str, np.ndarray]


def seconds(run: Callable[[], Any], repeats: int) -> float:
    """Processor time of the fastest of several runs after one that warms up: what else the machine does only ever adds."""
    run()
    times = []
    for _ in range(repeats):
        start = time.thread_time()
        run()
        times.append(time.thread_time() - start)
    return min(times)


def market(size: int) -> tuple[Columns, np.ndarray]:
    """Options around the money, a day to two years, and the rate of each."""
    random = np.random.default_rng(20260102)
    forwards = random.uniform(50, 150, size)
    years = random.uniform(1 / 365, 2, size)
    rates = random.uniform(0, 0.06, size)
    columns = {
        "forwards": forwards,
        "strikes": forwards * np.exp(random.normal(0, 0.2, size)),
        "years": years,
        "vols": random.uniform(0.05, 1.5, size),
        "is_call": random.random(size) < 0.5,
        "discounts": np.exp(-rates * years),
    }
    return columns, rates


def textbook(
    forwards: np.ndarray,
    strikes: np.ndarray,
    years: np.ndarray,
    vols: np.ndarray,
    is_call: np.ndarray,
    discounts: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """The six greeks as one writes them in NumPy."""
    sign = np.where(is_call, 1.0, -1.0)
    root = np.sqrt(years)
    total = vols * root
    d1 = np.log(forwards / strikes) / total + 0.5 * total
    d2 = d1 - total
    density = discounts * np.exp(-0.5 * d1 * d1) * 0.3989422804014327
    rate = -np.log(discounts) / years
    delta = sign * discounts * ndtr(sign * d1)
    value = delta * forwards - sign * discounts * strikes * ndtr(sign * d2)
    return (
        delta,
        density / (forwards * total),
        forwards * density * root,
        rate * value - forwards * density * vols / (2 * root),
        -density * d2 / vols,
        rate * delta + density * d2 / (2 * years),
    )


def row(what: str, each: float, size: int, ours: float, remark: str = "") -> None:
    print(f"{what:<44}{each * 1e3:>10.2f} ms{size / each / 1e6:>10.2f} M/s{each / ours:>9.1f} x  {remark}")


def vollib() -> Any:
    """py_vollib_vectorized, or None when it is not there."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module("py_vollib_vectorized")
    except ImportError as missing:
        print(f"py_vollib_vectorized left out: {missing}")
        return None


def bench_greeks(columns: Columns, rates: np.ndarray, peer: Any, repeats: int) -> None:
    size = columns["years"].size
    kept = {name: np.empty(size) for name in SIX}
    ours = seconds(lambda: greeks(**columns, out=kept), repeats)
    numpy_scipy = seconds(lambda: textbook(**columns), repeats)
    found = greeks(**columns, names=SIX)
    apart = max(
        float(np.max(np.abs(found[name] - other)) / np.max(np.abs(other)))
        for name, other in zip(SIX, textbook(**columns), strict=True)
    )
    row("six greeks, ours, into kept arrays", ours, size, ours)
    fresh = seconds(lambda: greeks(**columns, names=SIX), repeats)
    row("six greeks, ours, into fresh arrays", fresh, size, ours)
    row("  limit of memory: read six, write six", memory_limit(columns, kept, repeats), size, ours)
    row("  limit of memory: clear six fresh arrays", clearing(size, repeats), size, ours)
    row("  limit of arithmetic: one block in cache", arithmetic_limit(columns, repeats), size, ours)
    row("six greeks, NumPy + SciPy", numpy_scipy, size, ours, f"apart {apart:.0e} of the largest")
    print(
        f"NumPy + SciPy takes {numpy_scipy / ours:.1f} x ours into kept arrays, {numpy_scipy / fresh:.1f} x ours into fresh ones"
    )
    undiscounted = {name: column for name, column in columns.items() if name != "discounts"}
    row(
        "six greeks, ours, undiscounted",
        seconds(lambda: greeks(**undiscounted, names=SIX), repeats),
        size,
        ours,
    )
    row("twelve greeks, ours", seconds(lambda: greeks(**columns, names=GREEKS), repeats), size, ours)
    if peer is not None:
        letters = np.where(columns["is_call"], "c", "p")
        arguments = (
            letters,
            columns["forwards"],
            columns["strikes"],
            columns["years"],
            rates,
            columns["vols"],
        )
        each = seconds(lambda: peer.get_all_greeks(*arguments, model="black", return_as="dict"), 1)
        row("five greeks, py_vollib_vectorized", each, size, ours)
        print(f"py_vollib_vectorized takes {each / ours:.0f} x ours for one greek less")


def memory_limit(columns: Columns, kept: Columns, repeats: int) -> float:
    """Six arrays read and six written, as the greeks do."""
    given = list(columns.values())

    def move() -> None:
        for source, target in zip(given, kept.values(), strict=True):
            np.copyto(target, source)

    return seconds(move, repeats)


def clearing(size: int, repeats: int) -> float:
    """What the first touch of fresh arrays costs, nothing computed."""
    return seconds(lambda: np.empty((len(SIX), size)).fill(0.0), repeats)


def arithmetic_limit(columns: Columns, repeats: int) -> float:
    """The kernel over as many options, all of them of one block."""
    size = columns["years"].size
    given = [column[:BLOCK].copy() for column in columns.values()]
    log_discounts = np.log(given[-1])
    kept = [np.empty(log_discounts.size) for _ in SIX]
    rounds = -(-size // log_discounts.size)

    def run() -> None:
        for _ in range(rounds):
            fill_slopes(*given, log_discounts, *kept)

    return seconds(run, repeats) * size / (rounds * log_discounts.size)


def bench_implied(columns: Columns, rates: np.ndarray, peer: Any, repeats: int) -> None:
    size = columns["years"].size
    vols = columns["vols"]
    quoted = price(**columns)
    known = {name: column for name, column in columns.items() if name != "vols"}
    vega = greeks(**columns, names=("vega",))["vega"]
    with np.errstate(divide="ignore"):
        determined = np.spacing(quoted) / vega < 1e-12
    ours = seconds(lambda: implied_vol(prices=quoted, **known), repeats)

    def told(found: np.ndarray) -> str:
        error = np.nanmax(np.abs(found - vols)[determined])
        return f"largest error {error:.1e} where the price tells; {np.isnan(found[determined]).sum()} NaN"

    row("implied volatility, ours", ours, size, ours, told(implied_vol(prices=quoted, **known)))
    if peer is not None:
        letters = np.where(columns["is_call"], "c", "p")
        arguments = (quoted, columns["forwards"], columns["strikes"], rates, columns["years"], letters)

        def run() -> np.ndarray:
            found = peer.vectorized_implied_volatility_black(*arguments, return_as="numpy", on_error="ignore")
            return np.asarray(found).ravel()

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            row(
                "implied volatility, py_vollib_vectorized",
                each := seconds(run, 1),
                size,
                ours,
                told(run()),
            )
        print(f"py_vollib_vectorized takes {each / ours:.1f} x ours for the implied volatility")


def bench_profiles(columns: Columns, repeats: int) -> None:
    contracts = {name: columns[name][:1000] for name in ("forwards", "strikes", "years", "vols")}
    weights = np.random.default_rng(1).normal(size=1000)
    shifts = np.linspace(-0.2, 0.2, 161)
    cells = 161_000

    def textbook_profile() -> np.ndarray:
        moved = contracts["forwards"] * (1 + shifts[:, None])
        total = contracts["vols"] * np.sqrt(contracts["years"])
        d1 = np.log(moved / contracts["strikes"]) / total + 0.5 * total
        return (np.exp(-0.5 * d1 * d1) * 0.3989422804014327 / (moved * total)) @ weights

    ours = seconds(lambda: gamma_profile(shifts=shifts, weights=weights, **contracts), 10 * repeats)
    row("gamma of 1 000 contracts at 161 spots, ours", ours, cells, ours)
    row("the same, NumPy", seconds(textbook_profile, 10 * repeats), cells, ours)
    calls = columns["is_call"][:1000]
    delta = seconds(
        lambda: delta_profile(shifts=shifts, weights=weights, is_call=calls, **contracts), 10 * repeats
    )
    row("delta of the same, ours", delta, cells, ours)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    columns, rates = market(options.size)
    peer = vollib()
    print(f"{'':<44}{'time':>13}{'options':>14}{'to ours':>11}")
    bench_greeks(columns, rates, peer, options.repeats)
    bench_implied(columns, rates, peer, options.repeats)
    bench_profiles(columns, options.repeats)


if __name__ == "__main__":
    main()
