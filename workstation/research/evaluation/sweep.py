"""Parameter sweeps, with the p-values that many tries deserve."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from workstation.market.public_face import make_callable
from workstation.research.evaluate import HORIZONS, evaluate
from workstation.research.evaluation.errors import EvaluationError
from workstation.research.evaluation.intervals import adjusted
from workstation.research.evaluation.price_paths import PricePath, path_digest, price_paths
from workstation.research.provenance import code_version

COLUMNS = (
    "measured", "effective", "hit_rate", "hit_low", "hit_high", "mean_bps", "mean_low", "mean_high", "baseline_bps", "p_value",
)  # fmt: skip


def sweep(
    make: Callable[..., pd.DataFrame],
    grid: Mapping[str, Sequence[Any]],
    prices: pd.DataFrame | Mapping[str, PricePath],
    horizons: Sequence[str] = HORIZONS,
    *,
    rate: float = 0.05,
    **options: Any,
) -> xr.Dataset:
    """Evaluate the signals of every combination of parameters.

    Parameters
    ----------
    make
        Parameters by name -> signals, as ``functools.partial(reversals, trades)``.
    grid
        Parameter -> its values.
    prices, horizons, **options
        As ``evaluate`` takes them.
    rate
        Share of false discoveries that is accepted.

    Returns
    -------
    xarray.Dataset
        By ``run`` (with its parameters as coordinates) and ``horizon``: the figures of ``evaluate`` for all signals of a run,
        ``p_adjusted`` by Benjamini and Hochberg over every run and horizon, and ``discovery`` where it is at most ``rate``. Runs
        without a signal are NaN.

    Notes
    -----
    The procedure holds its rate for independent and for positively dependent tests; neighbouring parameters are the latter.

    Examples
    --------
    >>> trades = pd.DataFrame({"event_ns": np.arange(90) * 10**9, "instrument": "BTC/USD", "price": 100.0 + np.arange(90) % 7})
    >>> made = sweep(lambda every: trades.iloc[::every].assign(side=1), {"every": [5, 9]}, trades, ["3s"], close=False, draws=5)
    >>> made["p_adjusted"].shape, made["every"].values.tolist()
    ((2, 1), [5, 9])
    """
    if not grid or not all(len(values) for values in grid.values()):
        raise EvaluationError("sweep: the grid needs at least one value of one parameter")
    paths = price_paths(prices) if isinstance(prices, pd.DataFrame) else dict(prices)
    runs = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    made = [_figures(make(**run), paths, horizons, options) for run in runs]
    labels = next((one["horizon"].values for one in made if one is not None), None)
    if labels is None:
        raise EvaluationError(f"sweep: none of {len(runs)} runs made a signal; widen the grid")
    data = {
        name: np.array(
            [np.full(labels.size, np.nan) if one is None else one[name].values[0] for one in made],
            dtype=np.float64,
        )
        for name in COLUMNS
    }
    data["p_adjusted"] = adjusted(data["p_value"])
    coords = {name: ("run", _coordinate([run[name] for run in runs])) for name in grid}
    found = xr.Dataset(
        {name: (("run", "horizon"), values) for name, values in data.items()},
        coords={"run": np.arange(len(runs)), "horizon": labels, **coords},
        attrs={
            "code_version": code_version(),
            "tests": int(np.isfinite(data["p_value"]).sum()),
            "correction": f"Benjamini-Hochberg over all runs and horizons, false discovery rate {rate:g}",
            "options": json.dumps({name: repr(value)[:200] for name, value in options.items()}),
            "prices_digest": path_digest(paths),
        },
    )
    return found.assign(discovery=found["p_adjusted"] <= rate)


def _figures(
    signals: pd.DataFrame, paths: Mapping[str, PricePath], horizons: Sequence[str], options: Mapping[str, Any]
) -> xr.Dataset | None:
    return evaluate(signals, paths, horizons, **options) if len(signals) else None


def _coordinate(values: list[Any]) -> Any:
    """Numbers and texts as they are, anything else by its text."""
    plain = all(isinstance(value, int | float | str | bool | np.generic) for value in values)
    return np.array(values if plain else [repr(value) for value in values], dtype=None if plain else object)


make_callable(__name__)
