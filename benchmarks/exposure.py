"""Exposure and levels of a 1 000-contract chain, marks to rows, beside plain NumPy and SciPy in the same run.

    python benchmarks/exposure.py [contracts] [rounds]

BOTH ENGINES is the whole live path of one timer tick: a batch with a new mark of every contract and the heartbeat that crosses
the tick go into ``ExposureBook`` and ``Levels``; out come rows of ``exposures`` (gex, dex, vanna, charm by expiry and strike) and
of ``levels`` (net gex, zero gamma, walls, change over 1, 5, 10, 15 and 30 minutes, ledger). Counted: newest state, forward per
expiry, greeks, exposures, net gex on the 161-spot grid, walls, changes, frames; not counted: making the batch.

The peer computes state to walls on ready arrays: no selection of what is fresh, no changes, no rows. ``fastest`` and ``median``
are wall time, ``CPU`` is the least processor time of the thread, which a busy machine disturbs least; ratios are of CPU time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

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
HISTORY_TICKS = 31 * 6
"""Ticks before the first that counts, so that every change has its snapshot."""
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
            gamma * position * self.forward**2 * 0.01,
            delta * position * self.forward,
            -density * d2 / self.vol * position * self.forward * 0.01,
            density * d2 / (2 * years) * position * self.forward / 365,
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
            @ (position * self.forward**2)
            * shifts**2
            * 0.01
        )
        at = np.flatnonzero(np.signbit(curve[1:]) != np.signbit(curve[:-1]))
        zeros = spot * (shifts[at] - curve[at] * 0.0025 / (curve[at + 1] - curve[at]))
        zero = float(zeros[np.abs(zeros - spot).argmin()]) if zeros.size else float("nan")
        return rows, float(values[0].sum()), zero


class Times(NamedTuple):
    """Milliseconds: fastest and median wall time, least CPU time."""

    fastest: float
    median: float
    cpu: float

    @classmethod
    def of(cls, rounds: list[tuple[int, int]]) -> Times:
        """From nanoseconds of wall and CPU time of each round."""
        wall, cpu = (np.array(column) / 1e6 for column in zip(*rounds, strict=True))
        return cls(float(wall.min()), float(np.median(wall)), float(cpu.min()))


def spent(function: Callable[[], object]) -> tuple[int, int]:
    """Nanoseconds of wall and of CPU time."""
    wall, cpu = time.perf_counter_ns(), time.thread_time_ns()
    function()
    return time.perf_counter_ns() - wall, time.thread_time_ns() - cpu


def times(function: Callable[[], object], rounds: int) -> Times:
    function()
    return Times.of([spent(function) for _ in range(rounds)])


def tick_times(engines: Sequence[Engine], marks: pd.DataFrame, rounds: int) -> Times:
    """One timer tick through engines: a fresh batch of all marks, then the heartbeat that crosses the tick."""
    found = []
    for tick in range(HISTORY_TICKS + rounds):
        rows = MARKS.conform(marks.assign(event_ns=START + tick * TICK_NS + 1))
        beat = HEARTBEAT.conform(pd.DataFrame({"event_ns": [START + (tick + 1) * TICK_NS]}))

        def look(rows: pd.DataFrame = rows, beat: pd.DataFrame = beat) -> None:
            for table, frame in (("marks", rows), ("heartbeat", beat)):
                for engine in engines:
                    engine.update(frame, table)

        found.append(spent(look))
    return Times.of(found[HISTORY_TICKS:])


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
        "marks -> latest state": times(lambda: latest.take(marks), rounds),
        "latest state -> priced contracts": times(
            lambda: contracts(latest, underlying="BTC", asof_ns=asof_ns), rounds
        ),
        "exposures by expiry and strike": times(lambda: exposure_columns(priced, position), rounds),
        "levels with the zero-gamma grid": times(lambda: key_levels(priced, position=position), rounds),
        "of it the grid": times(lambda: zero_gamma(priced, position=position, net_gex=net), rounds),
        "WHOLE: marks -> exposures and levels": times(whole, rounds),
        "peer: NumPy + SciPy, ready arrays": times(peer, rounds),
        "ExposureBook tick, marks to rows": tick_times([ExposureBook()], marks, rounds),
        "Levels tick, marks to row": tick_times([Levels()], marks, rounds),
        "BOTH ENGINES: marks to rows with changes": tick_times([ExposureBook(), Levels()], marks, rounds),
        "with Cascade: marks to rows": tick_times([ExposureBook(), Levels(), Cascade()], marks, rounds),
        "forced flow, 21 spots x 9 vols": times(
            lambda: forced_flow_grid(
                priced,
                position=position,
                spot_moves=np.linspace(-0.1, 0.1, 21),
                vol_moves=np.linspace(-0.2, 0.2, 9),
                days=np.zeros(1),
            ),
            rounds,
        ),
        "Dataset: chain(marks)": times(lambda: chain(marks), rounds),
        "Dataset: exposure(chain)": times(lambda: exposure(view), rounds),
        "Dataset: levels(chain)": times(lambda: levels(view), rounds),
    }
    against = measured["peer: NumPy + SciPy, ready arrays"].cpu
    print(f"{len(marks)} contracts, {rounds} rounds, net gex {net:.4e}, zero gamma {ours.nearest:.1f}")
    print(f"{'milliseconds':42s}{'fastest':>9s}{'median':>9s}{'CPU':>9s}{'peer / it':>11s}")
    for name, took in measured.items():
        print(
            f"{name:42s}{took.fastest:9.3f}{took.median:9.3f}{took.cpu:9.3f}{against / max(took.cpu, 1e-9):11.2f}"
        )


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
