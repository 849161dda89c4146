"""Exposure and levels of a 1 000-contract chain, marks to rows, beside plain NumPy and SciPy in the same run.

    python benchmarks/exposure.py [contracts] [rounds]

Both sides compute the same: newest state, forward per expiry, four greeks, exposures by expiry and strike, net gex on the
161-spot grid, its zero, the walls. The peer is given its arrays ready and makes no table rows. Medians of wall time on
one core; on a busy machine compare the ratio.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr

from workstation.exposure.book import ExposureBook, exposure, exposure_columns
from workstation.exposure.cascade_engine import Cascade
from workstation.exposure.levels import Levels, key_levels, levels
from workstation.exposure.scenario import forced_flow_grid
from workstation.exposure.signs import positions
from workstation.exposure.zero_gamma import zero_gamma
from workstation.market.engine import Engine
from workstation.market.tables import HEARTBEAT, MARKS
from workstation.pricing.chain import chain
from workstation.pricing.contracts import contracts
from workstation.pricing.latest import LatestMarks

START = pd.Timestamp("2026-11-01", tz="UTC").value
TICK_NS = 10_000_000_000
YEAR_NS = 365 * 86_400e9
DAYS = ("261106", "261107", "261114", "261127", "261225", "270326", "270625", "270924", "271231", "280331")


def book_marks(size: int) -> pd.DataFrame:
    """``size`` BTC options over ten expiries."""
    draw = np.random.default_rng(7)
    strikes = np.linspace(40_000, 200_000, max(size // 20, 1)).round(-2).astype(int)
    names = [f"BTC/USD:BTC-{day}-{strike}-{right}" for day in DAYS for strike in strikes for right in "CP"][
        :size
    ]
    columns = {
        "event_ns": START + 1,
        "instrument": names,
        "mark_iv": 0.4 + 0.3 * draw.random(len(names)),
        "open_interest": (1000 * draw.random(len(names))).round(1),
        "volume_24h": (100 * draw.random(len(names))).round(1),
        "forward": 101_000.0,
        "index": 100_300.0,
    }
    return MARKS.conform(pd.DataFrame(columns))


class Peer:
    """The same numbers by NumPy and SciPy on ready arrays."""

    def __init__(self, marks: pd.DataFrame) -> None:
        terms = LatestMarks()
        codes = terms.take(marks)
        self.expiry_ns, self.strike, self.call = (
            terms.expiry_ns[codes],
            terms.strike[codes],
            terms.is_call[codes],
        )
        self.forward, self.vol = (terms.field(name)[codes] for name in ("forward", "mark_iv"))
        self.held, self.spot = terms.field("open_interest")[codes], 100_300.0

    def __call__(self) -> tuple[Any, float, float]:
        years = (self.expiry_ns - START - TICK_NS) / YEAR_NS
        spread = self.vol * np.sqrt(years)
        d1 = np.log(self.forward / self.strike) / spread + spread / 2
        d2 = d1 - spread
        density = np.exp(-0.5 * d1 * d1) * 0.3989422804014327
        gamma = density / (self.forward * spread)
        delta = ndtr(d1) - ~self.call
        position = np.where(self.call, self.held, -self.held)
        spot = self.spot
        values = (
            gamma * position * spot**2 * 0.01,
            delta * position * spot,
            -density * d2 / self.vol * position * spot * 0.01,
            density * d2 / (2 * years) * position * spot / 365,
        )
        _, expiry = np.unique(self.expiry_ns, return_inverse=True)
        strikes, strike = np.unique(self.strike, return_inverse=True)
        cell = expiry * strikes.size + strike
        rows = [np.bincount(cell, weights=value) for value in values]
        shifts = 1 + np.arange(-80, 81) * 0.0025
        moved = self.forward * shifts[:, None]
        d1 = np.log(moved / self.strike) / spread + spread / 2
        curve = (
            (np.exp(-0.5 * d1 * d1) * 0.3989422804014327 / (moved * spread))
            @ position
            * (spot * shifts) ** 2
            * 0.01
        )
        at = np.flatnonzero(np.signbit(curve[1:]) != np.signbit(curve[:-1]))
        zeros = spot * (shifts[at] - curve[at] * 0.0025 / (curve[at + 1] - curve[at]))
        zero = float(zeros[np.abs(zeros - spot).argmin()]) if zeros.size else float("nan")
        return rows, float(values[0].sum()), zero


def median_ms(function: Callable[[], object], rounds: int) -> float:
    function()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return float(np.median(times)) * 1e3


def tick_ms(engines: Sequence[Engine], marks: pd.DataFrame, rounds: int) -> float:
    """Median of one timer tick through several engines: a fresh batch of all marks, then the heartbeat that crosses the tick."""
    times = []
    for tick in range(rounds + 1):
        rows = MARKS.conform(marks.assign(event_ns=START + tick * TICK_NS + 1))
        beat = HEARTBEAT.conform(pd.DataFrame({"event_ns": [START + (tick + 1) * TICK_NS]}))
        start = time.perf_counter()
        for table, frame in (("marks", rows), ("heartbeat", beat)):
            for engine in engines:
                engine.update(frame, table)
        times.append(time.perf_counter() - start)
    return float(np.median(times[1:])) * 1e3


def main(size: int = 1000, rounds: int = 100) -> None:
    marks = book_marks(size)
    latest = LatestMarks()
    latest.take(marks)
    asof_ns = START + TICK_NS
    priced = contracts(latest, underlying="BTC", asof_ns=asof_ns)
    position = positions(priced, sign_model="calls_long", basis="open_interest")
    net = float(key_levels(priced, position=position).net_gex)
    peer = Peer(marks)
    _, peer_net, peer_zero = peer()
    ours = zero_gamma(priced, position=position, net_gex=net)
    assert abs(net / peer_net - 1) < 1e-9 and (
        ours.nearest == peer_zero or abs(ours.nearest / peer_zero - 1) < 1e-9
    )

    def whole() -> None:
        latest.take(marks)
        found = contracts(latest, underlying="BTC", asof_ns=asof_ns)
        held = positions(found, sign_model="calls_long", basis="open_interest")
        exposure_columns(found, held)
        key_levels(found, position=held)

    view = chain(marks)
    measured = {
        "marks -> latest state": median_ms(lambda: latest.take(marks), rounds),
        "latest state -> priced contracts": median_ms(
            lambda: contracts(latest, underlying="BTC", asof_ns=asof_ns), rounds
        ),
        "exposures by expiry and strike": median_ms(lambda: exposure_columns(priced, position), rounds),
        "levels with the zero-gamma grid": median_ms(lambda: key_levels(priced, position=position), rounds),
        "of it the grid": median_ms(lambda: zero_gamma(priced, position=position, net_gex=net), rounds),
        "WHOLE: marks -> exposures and levels": median_ms(whole, rounds),
        "peer: NumPy + SciPy, ready arrays": median_ms(peer, rounds),
        "ExposureBook tick, marks to rows": tick_ms([ExposureBook()], marks, rounds),
        "Levels tick, marks to row": tick_ms([Levels()], marks, rounds),
        "BOTH ENGINES: marks to rows, changes too": tick_ms([ExposureBook(), Levels()], marks, rounds),
        "with Cascade: marks to rows": tick_ms([ExposureBook(), Levels(), Cascade()], marks, rounds),
        "forced flow, 21 spots x 9 vols": median_ms(
            lambda: forced_flow_grid(
                priced,
                position=position,
                spot_moves=np.linspace(-0.1, 0.1, 21),
                vol_moves=np.linspace(-0.2, 0.2, 9),
                days=np.zeros(1),
            ),
            rounds,
        ),
        "Dataset: chain(marks)": median_ms(lambda: chain(marks), rounds),
        "Dataset: exposure(chain)": median_ms(lambda: exposure(view), rounds),
        "Dataset: levels(chain)": median_ms(lambda: levels(view), rounds),
    }
    against = measured["peer: NumPy + SciPy, ready arrays"]
    print(f"{len(marks)} contracts, {rounds} rounds, net gex {net:.4e}, zero gamma {ours.nearest:.1f}")
    print(f"{'':42s}{'ms':>9s}{'peer / it':>12s}")
    for name, value in measured.items():
        print(f"{name:42s}{value:9.3f}{against / value:12.2f}")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
