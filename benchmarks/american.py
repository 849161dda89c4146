"""American options beside QuantLib's, on one core in one run: prices at equal error, implied vols, a chain, and 20 000 cases.

Times are processor times, taken in turns so that what else the machine does falls on both. QuantLib is called from Python as
its users call it (an option object each, quotes moved); ``C++`` is the same call for one option whose spot alone moves, less
the moving. Errors are to our ``exact`` of the same options, in units of the spot; QuantLib's ``highPrecisionScheme`` and, where it
differs most from us, a finer one of its own (``--finer``) say what that is worth.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import QuantLib as ql
from scipy.optimize import brentq

from tests.reference.quantlib_american import Options, QuantLibAmerican, high_precision, options
from workstation.exposure.book import exposure
from workstation.exposure.levels import levels
from workstation.pricing import american
from workstation.pricing.chain import chain


def clock(run: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds of a call, and what it gives."""
    start = time.process_time()
    found = run()
    return time.process_time() - start, found


def part(of: Options, rows: Any) -> Options:
    """Some of the options."""
    return Options(*(column[rows] for column in of))


def told(name: str, seconds: float, count: int, error: np.ndarray | None = None) -> None:
    """One line of the report."""
    line = f"{name:44s} {seconds / count * 1e6:10.2f} us each"
    if error is not None:
        error = error[~np.isnan(error)]
        quantiles = ", ".join(f"{q:g}: {np.quantile(error, q):.1e}" for q in (0.5, 0.9, 0.99, 0.999))
        line += f"   error {quantiles}, worst {error.max():.1e}"
    print(line)


def prices(count: int, finer: int) -> None:
    """Our three accuracies and QuantLib's three schemes."""
    cases = options(count, seed=22)
    kept = cases.arguments()
    american.price(**kept, accuracy="fast")
    exact = american.price(**kept, accuracy="exact")
    for accuracy in ("fast", "standard", "exact"):
        seconds, found = clock(lambda accuracy=accuracy: american.price(**kept, accuracy=accuracy))
        told(f"ours, {accuracy}", seconds, count, np.abs(found - exact) / cases.spots)
    few = part(cases, slice(0, min(count, 1000)))
    for name, scheme, of in (
        ("QuantLib fast", ql.QdFpAmericanEngine.fastScheme(), few),
        ("QuantLib accurate", ql.QdFpAmericanEngine.accurateScheme(), few),
        ("QuantLib high precision", high_precision(), cases),
    ):
        engine = QuantLibAmerican(scheme)
        seconds, found = clock(lambda engine=engine, of=of: engine.prices(of))
        told(
            f"{name}, from Python", seconds, len(of.spots), np.abs(found - exact[: len(of.spots)]) / of.spots
        )
        told(f"{name}, C++ alone", *cxx(engine))
    apart = np.where(np.isnan(found), 0.0, np.abs(found - exact))
    widest = np.argsort(apart)[-finer:]
    closer = QuantLibAmerican(ql.QdFpTanhSinhIterationScheme(20, 60, 1e-12)).prices(part(cases, widest))
    print(f"the {finer} widest differences: QuantLib high precision {apart[widest].max() / 100:.1e} of the spot, "
          f"a finer scheme of its own {np.abs(closer - exact[widest]).max() / 100:.1e}")  # fmt: skip


def cxx(engine: QuantLibAmerican, repeats: int = 300) -> tuple[float, int]:
    """QuantLib's time of one option whose spot moves, without the moving."""
    option = engine.option(105.0, 180, False)
    engine.move(100.0, 0.25, 0.05, 0.02)

    def moving(price: bool) -> None:
        for step in range(repeats):
            engine.spot.setValue(100.0 + 1e-6 * step)
            if price:
                option.NPV()

    both, _ = clock(lambda: moving(True))
    alone, _ = clock(lambda: moving(False))
    return both - alone, repeats


def implied(count: int) -> None:
    """Implied vols, and Brent's method on QuantLib's fast scheme."""
    kept = options(count, seed=23).arguments()
    quoted = {name: kept[name] for name in kept if name != "vols"}
    value = american.price(**kept, accuracy="fast")
    american.implied_vol(prices=value[:16], **{n: v[:16] for n, v in quoted.items()}, accuracy="fast")
    seconds, found = clock(lambda: american.implied_vol(prices=value, **quoted, accuracy="fast"))
    told("ours, implied vol", seconds, count)
    engine = QuantLibAmerican(ql.QdFpAmericanEngine.fastScheme())
    solved = np.flatnonzero(~np.isnan(found))[:100]
    cases = options(count, seed=23)

    def brent() -> None:
        for row in solved:
            option = engine.option(cases.strikes[row], cases.days[row], bool(cases.is_call[row]))
            engine.move(cases.spots[row], 0.2, cases.rates[row], cases.yields[row])

            def off(vol: float, option: Any = option, row: int = row) -> float:
                engine.vol.setValue(vol)
                return float(option.NPV() - value[row])

            try:
                brentq(off, 0.01, 4.0, xtol=1e-8)
            except (RuntimeError, ValueError):
                continue

    seconds, _ = clock(brent)
    told("Brent on QuantLib fast", seconds, solved.size)


def whole_chain(contracts: int) -> None:
    """From quotes to vols, greeks, exposure and levels."""
    close = pd.Timestamp("2026-03-02 15:30", tz="America/New_York")
    expiries = (
        "260320",
        "260417",
        "260515",
        "260619",
        "260918",
        "261218",
        "270115",
        "270618",
        "271217",
        "280121",
    )
    strikes = 100.0 * np.exp(np.linspace(-0.35, 0.35, contracts // (2 * len(expiries))))
    strikes = np.unique(strikes.round(1))
    rows = []
    for expiry in expiries:
        years = (
            pd.Timestamp(f"20{expiry} 16:00", tz="America/New_York") - close
        ).total_seconds() / 31_536_000.0
        for right in "CP":
            value = american.price(
                spots=100.0, strikes=strikes, years=years, vols=0.25 - 0.1 * np.log(strikes / 100.0), rates=0.045,
                yields=0.012, is_call=right == "C",
            )  # fmt: skip
            rows += [
                (f"XYZ   {expiry}{right}{round(strike * 1000):08d}", price)
                for strike, price in zip(strikes, value, strict=True)
            ]
    names, price = zip(*rows, strict=True)
    given = pd.DataFrame({"instrument": names, "bid": np.array(price) - 0.01, "ask": np.array(price) + 0.01})
    marks = given.assign(event_ns=close.value, index=100.0, open_interest=100.0)

    def everything(second: int) -> Any:
        found = chain(marks.assign(event_ns=close.value + second * 10**9))
        return exposure(found), levels(found)

    everything(0)
    seconds = min(clock(lambda second=second: everything(second))[0] for second in range(1, 8))
    print(
        f"chain of {len(marks)} American contracts, quotes to vols, greeks, exposure and levels: {seconds * 1e3:.1f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--finer", type=int, default=20)
    arguments = parser.parse_args()
    whole_chain(2000)
    implied(min(arguments.cases, 5000))
    prices(arguments.cases, arguments.finer)


if __name__ == "__main__":
    main()
