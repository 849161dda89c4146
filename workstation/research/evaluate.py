"""What signals were worth: forward returns, hit rates with intervals, calibration, baselines, false alarms, turnover."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from workstation.market.digest import digest
from workstation.market.instants import NO_TIME
from workstation.market.public_face import make_callable
from workstation.research.evaluation import intervals
from workstation.research.evaluation.baseline import Drawn, by_instrument, draw, traded_time
from workstation.research.evaluation.calibration import Buckets, rank_correlation, score_buckets
from workstation.research.evaluation.dataset import dataset
from workstation.research.evaluation.errors import EvaluationError
from workstation.research.evaluation.false_alarms import false_alarm_reasons
from workstation.research.evaluation.forward_returns import (
    MEASURED,
    Forward,
    Horizons,
    calendar_of,
    forward_of_all,
    read_horizons,
    session_closes,
)
from workstation.research.evaluation.look_ahead import check_prices
from workstation.research.evaluation.open_interest import check_open_interest, known_open_interest, refuse
from workstation.research.evaluation.price_paths import Instants, PricePath, path_digest, price_paths
from workstation.research.evaluation.signals import Signals, read_signals
from workstation.research.evaluation.turnover import turnover
from workstation.research.provenance import code_version

HORIZONS = ("1min", "5min", "15min", "60min")


@dataclass(frozen=True)
class EvaluationParameters:
    """Parameters of ``evaluate``, as its keywords.

    Attributes
    ----------
    close
        Also the return to the close of the session the signal is in.
    calendar
        Whose sessions, as XNYS or 24/7; empty: by the instrument's symbol.
    stale_after
        Oldest price that counts at a horizon, and the longest wait for the first one after a signal.
    cost_bps
        Cost of entering and leaving, taken off every return.
    confidence
        Of the intervals.
    buckets
        Number of score buckets of equal counts, or their edges.
    draws
        Times over which random times are drawn, and rotations.
    seed
        Of both.
    """

    close: bool = True
    calendar: str = ""
    stale_after: str = "5min"
    cost_bps: float = 0.0
    confidence: float = 0.95
    buckets: int | tuple[float, ...] = 5
    draws: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.buckets, int):
            object.__setattr__(self, "buckets", tuple(float(edge) for edge in self.buckets))
        if not 0.0 < self.confidence < 1.0:
            raise EvaluationError(f"confidence: between 0 and 1, got {self.confidence}")
        if not self.cost_bps >= 0.0:
            raise EvaluationError(f"cost_bps: at least 0, got {self.cost_bps}")
        if self.draws < 0:
            raise EvaluationError(f"draws: at least 0, got {self.draws}")
        if self.stale_ns <= 0:
            raise EvaluationError(f"stale_after: a positive length of time, got {self.stale_after!r}")

    @property
    def stale_ns(self) -> int:
        """``stale_after`` in ns."""
        try:
            return int(pd.Timedelta(self.stale_after).as_unit("ns").value)
        except ValueError as error:
            raise EvaluationError(
                f"stale_after: {self.stale_after!r} is no length of time: {error}"
            ) from error


def evaluate(
    signals: pd.DataFrame,
    prices: pd.DataFrame | Mapping[str, PricePath],
    horizons: Sequence[str] = HORIZONS,
    *,
    by: str | None = None,
    score: str | None = None,
    side: str | None = None,
    priced_by: str | Mapping[str, str] | None = None,
    marks: pd.DataFrame | None = None,
    check_look_ahead: bool = True,
    parameters: EvaluationParameters | None = None,
    **changes: Any,
) -> xr.Dataset:
    """Forward returns of signals against their side, and what they add up to.

    Parameters
    ----------
    signals
        Rows of a derived table with a side: ``reversals``, ``spikes``, ``hits``, ``alerts``, ``structures``, ...
    prices
        Rows of ``trades``, ``quotes`` or ``candles``, a frame of ``event_ns``, ``instrument`` and ``price``, or ``price_paths``.
    horizons
        Lengths of time, counted from the signal's event.
    by, score, side
        Columns of the rule, the score and the side; default: those the table has, see ``read_signals``.
    priced_by
        Whose prices judge a signal: ``instrument``, ``underlying`` or a mapping of names; see ``read_signals``.
    marks
        Rows that carry ``open_interest``: it is joined to the signals as of its publication.
    check_look_ahead
        Refuse signals that tell a ``price`` or an ``open_interest`` that appeared for the first time only after them. Off where
        the signals were made of other prices than these.
    parameters, **changes
        ``EvaluationParameters``, or its fields.

    Returns
    -------
    xarray.Dataset
        By ``signal``, ``group`` (all, and each rule), ``bucket`` (of the score) and ``horizon``; every variable says its unit and
        meaning, the attributes the parameters, the version of the code and the digests of signals and prices.

    Raises
    ------
    EvaluationError
        A column is missing, a price path is not usable, a parameter cannot be.
    LookAheadError
        Signals tell what was not known at their moment.

    Notes
    -----
    The entry price is the first strictly after the signal's event. A return that is exactly 0 after costs is a tie: no hit, and
    left out of the hit rate; ``precision`` counts it as a false alarm. Intervals: ``workstation.research.evaluation.intervals``.
    ``p_value`` is of a mean return no better than at random times; ``p_adjusted`` the Benjamini-Hochberg one over all groups and horizons.

    Examples
    --------
    >>> trades = pd.DataFrame({"event_ns": np.arange(600) * 10**9, "instrument": "BTC/USD", "price": 100.0 + np.arange(600) % 60})
    >>> signals = pd.DataFrame({"event_ns": np.arange(0, 480, 60) * 10**9, "instrument": "BTC/USD", "side": 1})
    >>> made = evaluate(signals, trades, ["30s"], close=False, draws=10)
    >>> float(made["hit_rate"].sel(group="all", horizon="30s")), int(made["measured"].sel(group="all", horizon="30s"))
    (1.0, 8)
    """
    settings = _parameters(parameters, changes)
    lengths = read_horizons(horizons, settings.close)
    paths = price_paths(prices) if isinstance(prices, pd.DataFrame) else dict(prices)
    read = read_signals(signals, by=by, score=score, side=side, priced_by=priced_by)
    in_order = signals.iloc[np.argsort(signals["event_ns"].to_numpy(), kind="stable")]
    if check_look_ahead:
        _check(in_order, read, paths, marks)
    run = _Run(read, paths, lengths, settings)
    variables = run.variables()
    if marks is not None:
        variables["open_interest"] = known_open_interest(
            event_ns=read.event_ns, instrument=read.instrument, marks=marks
        )
    attrs = {
        "code_version": code_version(),
        "parameters": json.dumps({"horizons": list(lengths.labels), **vars(settings)}),
        "columns": json.dumps(dict(read.columns)),
        "signals_digest": digest(in_order.reset_index(drop=True)),
        "prices_digest": path_digest({name: paths[name] for name in run.members if name in paths}),
        "intervals": intervals.METHOD,
        "entry": "the first price strictly after the signal's event",
        "without_prices": json.dumps(sorted(set(run.members) - set(paths))),
    }
    return dataset(
        variables, read=read, horizons=lengths, groups=run.labels, edges=run.buckets.edges, attrs=attrs
    )


def _parameters(parameters: EvaluationParameters | None, changes: Mapping[str, Any]) -> EvaluationParameters:
    from dataclasses import replace

    try:
        return replace(parameters or EvaluationParameters(), **changes)
    except TypeError as error:
        known = ", ".join(EvaluationParameters.__dataclass_fields__)
        raise EvaluationError(f"evaluate: {error}; parameters are {known}") from error


def _check(
    rows: pd.DataFrame, read: Signals, paths: Mapping[str, PricePath], marks: pd.DataFrame | None
) -> None:
    """Refuse a price or an open interest of later."""
    if "price" in rows:
        own = np.where(
            read.priced == read.instrument, rows["price"].to_numpy(dtype=np.float64, na_value=np.nan), np.nan
        )
        found = check_prices(told=own, event_ns=read.event_ns, instrument=read.instrument, paths=paths)
        refuse(
            "a price", found, read.event_ns, read.instrument,
            "make the signals of what was known, or, where they were made of other prices than these, give check_look_ahead=False",
        )  # fmt: skip
    if "open_interest" in rows and marks is not None:
        told = rows["open_interest"].to_numpy(dtype=np.float64, na_value=np.nan)
        found = check_open_interest(
            told=told, event_ns=read.event_ns, instrument=read.instrument, marks=marks
        )
        refuse(
            "an open interest", found, read.event_ns, read.instrument, "join it as of open_interest_ns, as known_open_interest does"
        )  # fmt: skip


class _Run:
    """One evaluation: signals, their forward returns, and what is counted of them."""

    def __init__(
        self,
        read: Signals,
        paths: Mapping[str, PricePath],
        horizons: Horizons,
        settings: EvaluationParameters,
    ) -> None:
        self.read, self.paths, self.horizons, self.settings = read, paths, horizons, settings
        rules = sorted(set(read.rule.tolist()))
        self.labels = ["all"] if rules in ([], ["all"]) else ["all", *rules]
        self.group = np.searchsorted(rules, read.rule.astype(str)) if rules else np.empty(0, dtype=np.intp)
        self.rules = max(len(rules), 1)
        self.sided = read.side != 0
        self.members = by_instrument(read, self.sided)
        self.forward: Forward = forward_of_all(
            event_ns=read.event_ns, side=read.side, members=self.members, paths=paths, horizons=horizons,
            stale_ns=settings.stale_ns, closes=self.closes,
        )  # fmt: skip
        self.bps = self.forward.bps - settings.cost_bps
        self.buckets: Buckets = score_buckets(
            np.where(self.sided, read.score, np.nan),
            settings.buckets if isinstance(settings.buckets, int) else list(settings.buckets),
        )

    def closes(self, name: str, event_ns: Instants) -> Instants:
        """Close of the session each moment is in; unknown where the instrument's calendar is."""
        calendar = self.settings.calendar or calendar_of(name)
        return session_closes(event_ns, calendar) if calendar else np.full(event_ns.size, NO_TIME)

    def variables(self) -> dict[str, Any]:
        """Everything by name, as arrays."""
        masks = self._masks()
        made = self._statistics(masks)
        baseline, rotations = self._drawn(False), self._drawn(True)
        with np.errstate(invalid="ignore"):
            made["baseline_hit_rate"], made["baseline_bps"] = (
                _mean(baseline.hit_rate),
                _mean(baseline.mean_bps),
            )
        made["p_value"] = _by_element(
            lambda mean, against, error, degrees: intervals.exceedance(
                mean=mean, against=against, standard_error=error, degrees=degrees
            ),
            made["mean_bps"], made["baseline_bps"], made.pop("standard_error"), made.pop("degrees"),
        )  # fmt: skip
        made["p_adjusted"] = intervals.adjusted(made["p_value"] if len(masks) == 1 else made["p_value"][1:])
        if len(masks) > 1:  # the first group is the others together, no test of its own
            made["p_adjusted"] = np.vstack(
                (np.full((1, len(self.horizons.labels)), np.nan), made["p_adjusted"])
            )
        made["rotation_p_value"] = _share_as_good(rotations.mean_bps, made["mean_bps"])
        return {
            **made,
            **self._by_bucket(),
            **self._counts(masks),
            **self._turnover(masks),
            **self._of_signals(),
        }

    def _masks(self) -> list[npt.NDArray[np.bool_]]:
        rules = [self.group == at for at in range(len(self.labels) - 1)]
        return [np.ones(len(self.read), dtype=bool), *rules]

    def _statistics(self, masks: Sequence[npt.NDArray[np.bool_]]) -> dict[str, Any]:
        made = [[self._statistic(mask, at) for at in range(len(self.horizons.labels))] for mask in masks]
        return {
            name: np.array([[getattr(one, name) for one in row] for row in made]).reshape(
                len(masks), len(self.horizons.labels)
            )
            for name in intervals.Statistics._fields
        }

    def _statistic(self, mask: npt.NDArray[np.bool_], at: int) -> intervals.Statistics:
        rows = np.flatnonzero(mask & (self.forward.outcome[:, at] == MEASURED) & self.sided)
        windows = intervals.Windows(
            self.read.event_ns[rows], self.forward.exit_ns[rows, at], self.horizons.lengths_ns[at] == 0
        )
        return intervals.statistics(
            bps=self.bps[rows, at],
            windows=windows,
            signs=self.read.side[rows],
            confidence=self.settings.confidence,
        )

    def _drawn(self, rotate: bool) -> Drawn:
        made = draw(
            signals=self.read, chosen=self.sided, group=self.group, groups=self.rules, paths=self.paths, horizons=self.horizons,
            stale_ns=self.settings.stale_ns, closes=self.closes, draws=self.settings.draws, seed=self.settings.seed, rotate=rotate,
            cost_bps=self.settings.cost_bps,
        )  # fmt: skip
        kept = slice(0, len(self.labels))
        return Drawn(made.hit_rate[:, kept], made.mean_bps[:, kept])

    def _by_bucket(self) -> dict[str, Any]:
        count = max(self.buckets.edges.size - 1, 0)
        masks = [self.buckets.of == at for at in range(count)]
        made = self._statistics(masks)
        ranks = np.array([rank_correlation(self.read.score, column) for column in self.bps.T]).reshape(-1, 2)
        return {
            **{f"bucket_{name}": made[name] for name in ("measured", "effective", "hit_rate", "hit_low", "hit_high", "mean_bps", "mean_low", "mean_high")},
            "bucket_score": np.array([self.read.score[mask].mean() if mask.any() else np.nan for mask in masks]),
            "rank_correlation": ranks[:, 0],
            "rank_p_value": ranks[:, 1],
        }  # fmt: skip

    def _counts(self, masks: Sequence[npt.NDArray[np.bool_]]) -> dict[str, Any]:
        from workstation.research.evaluation.counts import abstentions, false_alarms, outcomes

        reasons = false_alarm_reasons(
            bps=self.bps, forward=self.forward, side=self.read.side, taken_back=self.read.taken_back,
            members=self.members, paths=self.paths,
        )  # fmt: skip
        return {
            **abstentions(self.read, masks),
            **outcomes(self.forward.outcome, self.sided, masks),
            **false_alarms(reasons, masks),
        }

    def _turnover(self, masks: Sequence[npt.NDArray[np.bool_]]) -> dict[str, Any]:
        shape = len(masks), len(self.horizons.labels)
        per_hour, held, largest = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        priced = [(self.paths[name], rows) for name, rows in self.members.items() if name in self.paths]
        times = [int(traded_time(path, self.settings.stale_ns).passed[-1]) for path, _ in priced]
        for group, mask in enumerate(masks):
            for at in range(shape[1]):
                told = mask & (self.forward.outcome[:, at] == MEASURED)
                for (_, rows), traded_ns in zip(priced, times, strict=True):
                    own = rows[told[rows]]
                    one = turnover(
                        entry_ns=self.forward.entry_ns[own], exit_ns=self.forward.exit_ns[own, at], side=self.read.side[own],
                        traded_ns=traded_ns,
                    )  # fmt: skip
                    per_hour[group, at] += one.per_hour
                    held[group, at] += one.held / len(priced)
                    largest[group, at] = max(largest[group, at], one.largest)
        return {"turnover": per_hour, "time_held": held, "largest_position": largest}

    def _of_signals(self) -> dict[str, Any]:
        read = self.read
        return {
            "event_ns": read.event_ns, "instrument": read.instrument, "priced_by": read.priced, "rule": read.rule,
            "side": read.side, "score": read.score, "score_bucket": self.buckets.of, "entry_ns": self.forward.entry_ns,
            "forward_bps": self.bps, "outcome": self.forward.outcome,
        }  # fmt: skip


def _mean(drawn: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Mean over draws; NaN where none was measured."""
    told = np.isfinite(drawn)
    return np.asarray(
        np.where(told, drawn, 0.0).sum(axis=0) / np.where(told.any(axis=0), told.sum(axis=0), np.nan)
    )


def _share_as_good(drawn: npt.NDArray[np.float64], mean: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Share of draws with a mean at least this, the signals' own counted with them."""
    told = np.isfinite(drawn)
    good = (told & (drawn >= mean)).sum(axis=0)
    return np.asarray(
        np.where(np.isfinite(mean) & told.any(axis=0), (1.0 + good) / (1.0 + told.sum(axis=0)), np.nan)
    )


def _by_element(function: Any, *arrays: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.array(
        [function(*values) for values in zip(*(one.ravel() for one in arrays), strict=True)]
    ).reshape(arrays[0].shape)


make_callable(__name__)
