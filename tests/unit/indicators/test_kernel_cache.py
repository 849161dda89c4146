"""What is compiled ahead is all that is asked for: no frame makes a kernel be compiled once more."""

from __future__ import annotations

import pickle
import pkgutil
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numba.core.dispatcher import Dispatcher

import workstation.indicators
import workstation.numerics
from workstation.indicators.candles import engine as candles
from workstation.indicators.kernel_cache import compile_kernels
from workstation.indicators.ticks import intensity, reversals, spikes
from workstation.market.tables import TRADES, TradeFlag
from workstation.market.tables.frames import arrays_of

ROWS = 3000


def kernels() -> Iterator[tuple[str, Dispatcher]]:
    for package in (workstation.indicators, workstation.numerics):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for name, held in (
                vars(sys.modules.get(module.name, object)).items() if module.name in sys.modules else ()
            ):
                if isinstance(held, Dispatcher):
                    yield f"{module.name}.{name}", held


def compiled() -> dict[str, int]:
    return {name: len(kernel.signatures) for name, kernel in kernels()}


@pytest.fixture(scope="module")
def ahead() -> dict[str, int]:
    compile_kernels()
    return compiled()


def plain() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "event_ns": 10**18 + np.cumsum(rng.integers(1, 10**9, ROWS)),
            "instrument": np.array(["BTC/USD", "ETH/USD"])[rng.integers(0, 2, ROWS)],
            "price": 100 + np.cumsum(rng.normal(0, 0.05, ROWS)),
            "size": 1.0,
        }
    )


def read_only(rows: pd.DataFrame) -> pd.DataFrame:
    made = TRADES.conform(rows)
    for values in arrays_of(made):
        if isinstance(values, np.ndarray):
            values.setflags(write=False)
    return made


FRAMES: dict[str, Callable[[], pd.DataFrame]] = {
    "plain": plain,
    "one instrument": lambda: plain().assign(instrument="BTC/USD"),
    "unsorted": lambda: plain()[::-1],
    "conformed": lambda: TRADES.conform(plain()),
    "numbered, with late ones": lambda: TRADES.numbered(plain().iloc[[*range(9, ROWS), *range(9)]], 1),
    "read-only": lambda: read_only(plain()),
    "pickled": lambda: pickle.loads(pickle.dumps(TRADES.conform(plain()))),
    "every second": lambda: TRADES.conform(plain()).iloc[::2],
    "with flags and sides": lambda: plain().assign(side=1, flags=int(TradeFlag.ISO), venue="deribit"),
    "many rows": lambda: pd.concat([plain()] * 30),
}
FUNCTIONS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "candles": lambda rows: (candles(rows), candles(rows, every=("1s", "1min"))),
    "intensity": lambda rows: (intensity(rows), intensity(rows, smoothing=("sma", "ema"), every="5s")),
    "spikes": spikes,
    "reversals": lambda rows: (reversals(rows), reversals(rows, version=(2, 3, 4))),
}


@pytest.mark.filterwarnings("ignore::workstation.indicators.LateTradesWarning")
@pytest.mark.parametrize("name", FRAMES)
def test_a_first_call_compiles_nothing(ahead: dict[str, int], name: str) -> None:
    rows = FRAMES[name]()
    for function in FUNCTIONS.values():
        function(rows)
    more = {kernel: many for kernel, many in compiled().items() if many > ahead[kernel]}
    assert not more, more
