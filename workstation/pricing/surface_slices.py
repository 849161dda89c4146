"""The smiles of all expiries of an underlying: fitted, repaired, with what is left of each quote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from workstation.pricing.smile import SVI, Calibration, calibrate
from workstation.pricing.smile_arbitrage import butterflies, common_grid, crossings, without_arbitrage
from workstation.pricing.smile_kernels import PARAMETERS, fill_log_moneyness
from workstation.pricing.smile_quotes import LEFT_OUT, Choice, Quotes, SmileParameters, choose

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

SKEW_DELTAS: Final = (0.25, 0.10)
"""Deltas of the risk reversals and butterflies."""
_NAMES: Final = ("rr25", "bf25", "rr10", "bf10")


@dataclass(frozen=True, eq=False)
class Slices:
    """Smiles of m expiries and what became of n quotes.

    Attributes
    ----------
    expiry_ns, years, forward, discount
        Shape (m,), ascending.
    raw
        Shape (m, 5): a, b, rho, m, sigma; NaN where refused.
    refused
        Shape (m,): why an expiry has no smile; empty where it has one.
    contracts, left_out
        Shape (m,): quotes fitted to and not.
    first, last
        Shape (m,): least and greatest log-moneyness fitted to; beyond them nothing is said.
    butterflies, crossings
        Shape (m, 2): violations before and after repair; see ``smile_arbitrage``.
    rmse, rmse_in_spreads, within_spread
        Shape (m,): root mean square of the residuals in vol, in spreads (of the quotes that have one), and the
        share of those inside their bid and ask.
    row
        Shape (n,): expiry of each quote.
    reason
        Shape (n,): index into ``LEFT_OUT``.
    choice
        Vols and weights of the quotes.
    fitted_vol, residual, residual_in_spreads
        Shape (n,): vol of the smile at each quote's strike within the fitted range, less the quote's, over its spread.
    """

    expiry_ns: npt.NDArray[np.int64]
    years: Floats
    forward: Floats
    discount: Floats
    raw: Floats
    refused: npt.NDArray[np.object_]
    contracts: Counts
    left_out: Counts
    first: Floats
    last: Floats
    butterflies: Counts
    crossings: Counts
    rmse: Floats
    rmse_in_spreads: Floats
    within_spread: Floats
    row: npt.NDArray[np.int64]
    reason: npt.NDArray[np.int8]
    choice: Choice
    fitted_vol: Floats
    residual: Floats
    residual_in_spreads: Floats

    def left_out_by_reason(self) -> dict[str, int]:
        """How many quotes are not fitted to, by reason."""
        counts = np.bincount(self.reason, minlength=len(LEFT_OUT))
        return {name: int(counts[code]) for code, name in enumerate(LEFT_OUT) if code}

    def smile(self, expiry: int) -> SVI | None:
        """The smile of an expiry by its place; None where refused."""
        return None if self.refused[expiry] else SVI.of(self.raw[expiry])

    def vols(self, log_moneyness: Floats, *, extrapolate: bool = False) -> Floats:
        """Shape (m, log_moneyness): vols, NaN beyond the fitted strikes unless told otherwise.

        ``log_moneyness`` of shape (p,) or (m, p).
        """
        wide = np.broadcast_to(log_moneyness, (self.years.size, np.shape(log_moneyness)[-1]))
        vols = np.full(wide.shape, np.nan)
        for row in np.flatnonzero(self.refused == ""):
            k = np.ascontiguousarray(wide[row])
            vols[row] = SVI.of(self.raw[row]).vol(k, years=float(self.years[row]))
            if not extrapolate:
                vols[row, ~((k >= self.first[row]) & (k <= self.last[row]))] = np.nan
        return vols

    def log_moneyness(self, deltas: Floats, *, extrapolate: bool = False) -> Floats:
        """Shape (m, deltas): k at which a call's forward delta N(d1), with the smile's own vol, is each of ``deltas``."""
        found = np.full((self.years.size, deltas.size), np.nan)
        quantiles = ndtri(deltas)
        for row in np.flatnonzero(self.refused == ""):
            low, high = float(self.first[row]), float(self.last[row])
            if extrapolate:
                low, high = min(low, -10.0), max(high, 10.0)
            fill_log_moneyness(self.raw[row], quantiles, low, high, found[row])
        return found

    def skew(self, *, extrapolate: bool = False) -> dict[str, Floats]:
        """``atm_iv``, ``rr25``, ``bf25``, ``rr10``, ``bf10``, each of shape (m,); NaN where a strike they need is not quoted.

        A put of delta -d is the strike where a call has 1 - d. Risk reversal: call vol less put vol. Butterfly:
        their mean less the vol at the money, K = F.
        """
        found = {"atm_iv": self.vols(np.zeros(1), extrapolate=extrapolate)[:, 0]}
        deltas = np.array([[delta, 1.0 - delta] for delta in SKEW_DELTAS]).reshape(-1)
        k = self.log_moneyness(deltas, extrapolate=extrapolate)
        vols = self.vols(k, extrapolate=extrapolate)
        for position in range(len(SKEW_DELTAS)):
            call, put = vols[:, 2 * position], vols[:, 2 * position + 1]
            found[_NAMES[2 * position]] = call - put
            found[_NAMES[2 * position + 1]] = 0.5 * (call + put) - found["atm_iv"]
        return found


def fit_slices(quotes: Quotes, parameters: SmileParameters) -> Slices:
    """Fit and repair the smiles of all expiries."""
    expiries, begin, row = np.unique(quotes.expiry_ns, return_index=True, return_inverse=True)
    choice = choose(quotes, parameters)
    reason, size = choice.reason.copy(), expiries.size
    counts = np.bincount(row[reason == 0], minlength=size)
    few = counts < parameters.fewest
    reason[few[row] & (reason == 0)] = LEFT_OUT.index("too_few")
    fitted = np.flatnonzero(~few)
    members = [np.flatnonzero((row == position) & (reason == 0)) for position in fitted]
    plain = [
        calibrate(
            log_moneyness=choice.log_moneyness[at],
            vols=choice.vol[at],
            years=float(quotes.years[at[0]]),
            weights=choice.weight[at],
        )
        for at in members
    ]
    repaired = without_arbitrage(plain)
    slices: dict[str, Any] = {
        "raw": np.full((size, PARAMETERS), np.nan),
        **{name: np.full(size, np.nan) for name in ("first", "last", "rmse", "rmse_in_spreads", "within_spread")},
    }  # fmt: skip
    violations: dict[str, Any] = {
        name: np.zeros((size, 2), dtype=np.int64) for name in ("butterflies", "crossings")
    }
    for side, smiles in enumerate((plain, repaired)):
        violations["butterflies"][fitted, side] = [butterflies(one) for one in smiles]
        violations["crossings"][fitted, side] = crossings(smiles, common_grid(smiles))
    model = np.full(reason.size, np.nan)
    for position, one in zip(fitted, repaired, strict=True):
        slices["raw"][position] = one.svi.raw
        slices["first"][position], slices["last"][position] = one.log_moneyness.min(), one.log_moneyness.max()
        _evaluate(one, choice, np.flatnonzero(row == position), model)
    residual = model - choice.vol
    spread = np.maximum(choice.spread, 1e-4)
    in_spreads = residual / spread
    kept = reason == 0
    for name, values in (("rmse", residual), ("rmse_in_spreads", in_spreads)):
        slices[name][:] = np.sqrt(_mean(np.square(values), row, kept, size))
    inside = np.where(np.isnan(spread), np.nan, (model >= choice.bid_vol) & (model <= choice.ask_vol))
    slices["within_spread"][:] = _mean(inside, row, kept, size)
    why = np.array(["" if not lone else "too_few" for lone in few], dtype=object)
    return Slices(
        expiry_ns=expiries,
        years=quotes.years[begin],
        forward=quotes.forward[begin],
        discount=quotes.discount[begin],
        refused=why,
        contracts=np.bincount(row[kept], minlength=size),
        left_out=np.bincount(row[~kept], minlength=size),
        row=row,
        reason=reason,
        choice=choice,
        fitted_vol=model,
        residual=residual,
        residual_in_spreads=in_spreads,
        **slices,
        **violations,
    )


def _evaluate(one: Calibration, choice: Choice, at: npt.NDArray[np.int64], model: Floats) -> None:
    k = choice.log_moneyness[at]
    at = at[(k >= one.log_moneyness.min()) & (k <= one.log_moneyness.max())]
    model[at] = one.svi.vol(choice.log_moneyness[at], years=one.years)


def _mean(values: Floats, row: npt.NDArray[np.int64], kept: npt.NDArray[np.bool_], size: int) -> Floats:
    """Mean by expiry of the kept values that are numbers; NaN where there is none."""
    use = kept & ~np.isnan(values)
    count = np.bincount(row[use], minlength=size)
    total = np.bincount(row[use], weights=values[use], minlength=size)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
