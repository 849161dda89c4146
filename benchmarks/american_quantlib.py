"""American prices beside QuantLib's most precise scheme over many options: both rights, signs of rates, a day to five years.

``QdFpAmericanEngine`` with ``highPrecisionScheme`` prices each option (1 day to 5 years, 5 to 200 % vol, rates and yields of -5 to 15 %,
three standard deviations in and out). Where the two differ most, a finer scheme of QuantLib's own decides. Differences are shares of the
spot; the run fails if ``standard`` is off by more than its bound anywhere QuantLib itself is settled. Some minutes on one core.
"""

from __future__ import annotations

import argparse

import numpy as np
import QuantLib as ql

from tests.reference.quantlib_american import Options, QuantLibAmerican, high_precision, options
from workstation.pricing import american

QUANTILES = (0.5, 0.9, 0.99, 0.999)
BOUND = 1e-6
"""Of ``standard``, in units of the spot."""


def report(name: str, apart: np.ndarray) -> None:
    """Quantiles of differences."""
    known = apart[~np.isnan(apart)]
    told = ", ".join(f"{q:g}: {np.quantile(known, q):.1e}" for q in QUANTILES)
    print(f"{name:12s} {told}, worst {known.max():.1e}, beyond {BOUND:g}: {np.count_nonzero(known > BOUND)}")


def settled(cases: Options, theirs: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """QuantLib's values with those of some rows by a finer scheme."""
    finer = QuantLibAmerican(ql.QdFpTanhSinhIterationScheme(24, 60, 1e-12))
    values = theirs.copy()
    values[rows] = finer.prices(Options(*(column[rows] for column in cases)))
    return values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=22)
    parser.add_argument("--finer", type=int, default=50, help="widest differences decided by a finer scheme")
    given = parser.parse_args()
    cases = options(given.cases, seed=given.seed)
    theirs = QuantLibAmerican(high_precision()).prices(cases)
    ours = {
        accuracy: american.price(**cases.arguments(), accuracy=accuracy)
        for accuracy in ("fast", "standard", "exact")
    }
    told = american.has_two_boundaries(rates=cases.rates, yields=cases.yields, is_call=cases.is_call)
    print(
        f"{given.cases} options; {np.count_nonzero(told)} with two boundaries, which QuantLib refuses too: {np.array_equal(told, np.isnan(theirs))}"
    )
    widest = np.argsort(np.nan_to_num(np.abs(ours["standard"] - theirs)))[-given.finer :]
    finer = settled(cases, theirs, widest)
    for accuracy, values in ours.items():
        report(accuracy, np.abs(values - theirs) / cases.spots)
    print(f"the {given.finer} widest of standard by a finer scheme of QuantLib's:")
    for accuracy, values in ours.items():
        report(accuracy, (np.abs(values - finer) / cases.spots)[widest])
    off = np.abs(ours["standard"] - finer) / cases.spots
    for row in np.argsort(np.nan_to_num(off))[-3:][::-1]:
        print("  ", {name: f"{float(value):.6g}" for name, value in zip(cases._fields, (c[row] for c in cases), strict=True)},
              f"ours {ours['standard'][row]:.8f} exact {ours['exact'][row]:.8f} QuantLib {theirs[row]:.8f} finer {finer[row]:.8f}")  # fmt: skip
    if np.nanmax(off) > BOUND:
        raise SystemExit(f"standard is {np.nanmax(off):.1e} of the spot off at worst: more than {BOUND:g}")


if __name__ == "__main__":
    main()
