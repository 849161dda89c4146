"""Signals evaluated: hand values, SciPy's intervals, coverage by simulation, planted signals and planted look-aheads."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from workstation import evaluate
from workstation.research.evaluation import LookAheadError, look_ahead, report, sweep
from workstation.research.evaluation.baseline import traded_time
from workstation.research.evaluation.errors import EvaluationError
from workstation.research.evaluation.false_alarms import range_extreme
from workstation.research.evaluation.intervals import Windows, shared_time, statistics
from workstation.research.evaluation.open_interest import known_open_interest
from workstation.research.evaluation.price_paths import PricePath, price_paths

SECOND = 10**9
MINUTE = 60 * SECOND
DAY_NS = 86_400 * SECOND
OPEN_NS = int(pd.Timestamp("2026-03-03 14:30").value)  # 09:30 New York
CLOSE_NS = int(pd.Timestamp("2026-03-03 21:00").value)


def walk(
    rows: int = 20_000, seed: int = 1, every_ns: int = SECOND, instrument: str = "BTC/USD"
) -> pd.DataFrame:
    """A random walk of 1 bp a step from 2026-03-03 on."""
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "event_ns": int(pd.Timestamp("2026-03-03").value) + np.arange(rows) * every_ns,
            "instrument": instrument,
            "price": 100.0 * np.exp(np.cumsum(random.standard_normal(rows)) * 1e-4),
        }
    )


def told(frame: pd.DataFrame, places: Any, **columns: Any) -> pd.DataFrame:
    """Signals at places of a price frame."""
    rows = frame.iloc[places]
    return pd.DataFrame(
        {"event_ns": rows["event_ns"].to_numpy(), "instrument": rows["instrument"].to_numpy()}
    ).assign(**columns)


def test_returns_by_hand() -> None:
    prices = pd.DataFrame(
        {
            "event_ns": [0, 10, 10, 70, 80, 200],
            "instrument": "BTC/USD",
            "price": [100.0, 101.0, 102.0, 104.0, 99.0, 98.0],
        }
    )
    prices["event_ns"] *= SECOND
    signals = pd.DataFrame(
        {"event_ns": np.array([0, 10, 150]) * SECOND, "instrument": "BTC/USD", "side": [1, -1, 1]}
    )
    made = evaluate(signals, prices, ["1min", "75s"], close=False, draws=0, stale_after="65s")
    assert made["entry_ns"].values.tolist() == [10 * SECOND, 70 * SECOND, 200 * SECOND]
    wanted = [
        [
            1e4 * np.log(102.0 / 101.0),
            1e4 * np.log(104.0 / 101.0),
        ],  # of two prices of one moment the first entered, the last left
        [0.0, -1e4 * np.log(99.0 / 104.0)],
        [np.nan, np.nan],
    ]
    np.testing.assert_allclose(made["forward_bps"].values, wanted)
    assert made["outcome_name"].values[made["outcome"].values[2]].tolist() == ["prices end before"] * 2
    assert made["ties"].sel(group="all").values.tolist() == [1, 0]
    assert made["precision"].sel(group="all").values.tolist() == [0.5, 1.0]
    assert made["hit_rate"].sel(group="all").values.tolist() == [1.0, 1.0]


def test_the_price_of_the_signal_itself_is_never_its_entry() -> None:
    """A price jumps with the signal and stays: whoever enters at the signal's own price gains, whoever comes after does not."""
    prices = pd.DataFrame(
        {
            "event_ns": np.arange(200) * SECOND,
            "instrument": "BTC/USD",
            "price": np.repeat([100.0, 110.0], 100),
        }
    )
    signal = told(prices, [99], side=1)
    jumped = evaluate(signal, prices, ["30s"], close=False, draws=0)
    assert float(jumped["forward_bps"][0, 0]) == 0.0
    before = evaluate(
        signal.assign(event_ns=signal["event_ns"] - SECOND), prices, ["30s"], close=False, draws=0
    )
    assert float(before["forward_bps"][0, 0]) == pytest.approx(1e4 * np.log(1.1))


def test_to_the_close_and_no_further() -> None:
    times = np.arange(OPEN_NS - 10 * MINUTE, CLOSE_NS + 10 * MINUTE, MINUTE)
    prices = pd.DataFrame({"event_ns": times, "instrument": "AIG", "price": 100.0 + np.arange(times.size)})
    at = np.array([OPEN_NS - MINUTE, OPEN_NS, CLOSE_NS - MINUTE, CLOSE_NS])
    made = evaluate(pd.DataFrame({"event_ns": at, "instrument": "AIG", "side": 1}), prices, [], draws=0)
    values = made["forward_bps"].sel(horizon="close").values
    price_at = dict(zip(times.tolist(), prices["price"], strict=True))
    assert np.isnan(values[[0, 3]]).all()
    assert values[1] == pytest.approx(1e4 * np.log(price_at[CLOSE_NS] / price_at[OPEN_NS + MINUTE]))
    assert values[2] == 0.0
    assert made["outcomes"].sel(group="all", horizon="close", outcome_name="no session").item() == 2


def test_holes_are_not_measured_across() -> None:
    times = np.r_[np.arange(0, 60), np.arange(3_000, 3_060)] * SECOND
    prices = pd.DataFrame({"event_ns": times, "instrument": "BTC/USD", "price": 1.0 + np.arange(120) / 100})
    signals = pd.DataFrame(
        {"event_ns": np.array([30, 59, 3_000]) * SECOND, "instrument": "BTC/USD", "side": 1}
    )
    made = evaluate(signals, prices, ["40s", "20min"], close=False, draws=0)
    names = made["outcome_name"].values[made["outcome"].values].tolist()
    assert names == [
        ["measured", "stale price"],
        ["no price after it"] * 2,
        ["measured", "prices end before"],
    ]
    assert traded_time(price_paths(prices)["BTC/USD"], MINUTE).passed.tolist() == [
        0,
        59 * SECOND,
        118 * SECOND,
    ]


# -- intervals --------------------------------------------------------------------------------------------


def test_windows_apart_have_scipys_intervals() -> None:
    random = np.random.default_rng(3)
    bps = random.standard_normal(60) + 0.4
    begin = np.arange(60) * 100
    signs = np.where(random.random(60) < 0.5, 1, -1).astype(np.int8)
    made = statistics(bps=bps, windows=Windows(begin, begin + 50, False), signs=signs)
    wilson = stats.binomtest(int((bps > 0).sum()), 60).proportion_ci(method="wilson")
    student = stats.ttest_1samp(bps, 0.0).confidence_interval()
    assert made.effective == 60.0
    assert (made.hit_low, made.hit_high) == pytest.approx((wilson.low, wilson.high))
    assert (made.mean_low, made.mean_high) == pytest.approx((student.low, student.high))


@pytest.mark.parametrize("same_end", [False, True])
def test_shared_time_is_the_sum_over_all_pairs(same_end: bool) -> None:
    random = np.random.default_rng(5)
    begin = np.sort(random.integers(0, 1_000, 80))
    end = (begin // 250 + 1) * 250 if same_end else begin + 90
    values = random.standard_normal(80)
    overlap = np.clip(np.minimum.outer(end, end) - np.maximum.outer(begin, begin), 0, None).astype(float)
    lengths = (end - begin).astype(float)
    weights = overlap / np.sqrt(np.outer(lengths, lengths))  # how returns of a random walk correlate
    np.testing.assert_allclose(
        shared_time(Windows(begin, end, same_end), values), weights @ values, atol=1e-9
    )


def test_intervals_of_overlapping_windows_cover_the_truth() -> None:
    """Signals in bunches of one side on a random walk: the truth is a half, which the plain interval misses far too often."""
    random = np.random.default_rng(11)
    covered = {"ours": 0, "plain": 0}
    runs, length = 300, 60
    for _ in range(runs):
        price = np.cumsum(random.standard_normal(6_000))
        begin = np.sort((random.integers(0, 5_900, 40)[:, None] + random.integers(0, 30, 6)).ravel())
        side = np.where((begin // 120) % 2 == 0, 1, -1).astype(np.int8)
        begin = begin[begin < 5_900]
        side = side[: begin.size]
        bps = (price[begin + length] - price[begin]) * side
        made = statistics(bps=bps, windows=Windows(begin, begin + length, False), signs=side)
        plain = stats.binomtest(made.hits, made.measured - made.ties).proportion_ci(method="wilson")
        covered["ours"] += made.hit_low <= 0.5 <= made.hit_high
        covered["plain"] += plain.low <= 0.5 <= plain.high
    assert covered["ours"] / runs >= 0.92
    assert covered["plain"] / runs < 0.85


# -- planted --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drifting() -> tuple[pd.DataFrame, np.ndarray]:
    """A walk that goes up 6 bp over the half minute after each of 60 known places."""
    prices = walk(20_000)
    places = np.arange(200, 19_000, 310)
    drift = np.zeros(len(prices))
    for place in places:
        drift[place + 2 : place + 32] += 6e-4 / 30
    return prices.assign(price=prices["price"] * np.exp(np.cumsum(drift))), places


def test_a_planted_signal_is_found_and_random_ones_are_not(drifting: tuple[pd.DataFrame, np.ndarray]) -> None:
    prices, places = drifting
    random = np.random.default_rng(2)
    noise = np.sort(random.integers(0, 19_000, places.size))
    signals = pd.concat(
        [
            told(prices, places, side=1, kind="planted", score=0.9),
            told(prices, noise, side=random.choice([-1, 1], places.size), kind="noise", score=0.2),
        ]
    )
    made = evaluate(signals, prices, ["1min"], close=False, draws=60, buckets=[0.0, 0.5, 1.0])
    planted, noise_found = (made.sel(group=name, horizon="1min") for name in ("planted", "noise"))
    assert float(planted["mean_low"]) < 6.0 < float(planted["mean_high"])
    assert float(planted["p_adjusted"]) < 0.01 and float(planted["rotation_p_value"]) < 0.05
    assert float(planted["hit_low"]) > 0.5
    assert float(noise_found["p_adjusted"]) > 0.05
    assert float(noise_found["hit_low"]) < 0.5 < float(noise_found["hit_high"])
    assert 0.45 < float(planted["baseline_hit_rate"]) < 0.75
    rates = made["bucket_hit_rate"].sel(horizon="1min").values
    assert rates[1] > rates[0] + 0.1 and float(made["rank_correlation"][0]) > 0.1
    again = evaluate(
        signals,
        price_paths(prices),
        ["1min"],
        close=False,
        draws=60,
        buckets=[0.0, 0.5, 1.0],
    )
    assert made.attrs["prices_digest"] == again.attrs["prices_digest"]
    np.testing.assert_array_equal(made["baseline_bps"], again["baseline_bps"])


def test_a_price_of_later_is_caught(drifting: tuple[pd.DataFrame, np.ndarray]) -> None:
    prices, places = drifting
    honest = told(prices, places, side=1, price=prices["price"].to_numpy()[places])
    evaluate(honest, prices, ["1min"], close=False, draws=0)
    peeking = honest.assign(price=prices["price"].to_numpy()[places + 1])
    with pytest.raises(
        LookAheadError, match=r"61 of 61 tell a price that was known only later, first BTC/USD"
    ):
        evaluate(peeking, prices, ["1min"], close=False, draws=0)
    evaluate(peeking, prices, ["1min"], close=False, draws=0, check_look_ahead=False)


def test_an_open_interest_of_later_is_caught() -> None:
    prices = walk(8_000, every_ns=30 * SECOND, instrument="SPX")
    contract, day = "SPXW  260320C06000000", int(pd.Timestamp("2026-03-04").value)
    marks = pd.DataFrame(
        {
            "event_ns": [day - DAY_NS, day],
            "open_interest_ns": [
                day - DAY_NS,
                day + 12 * 60 * MINUTE,
            ],  # stamped with the day, published at noon
            "instrument": contract,
            "open_interest": [500.0, 900.0],
        }
    )
    moments = day + np.array([60, 600, 900]) * MINUTE
    signals = pd.DataFrame(
        {"event_ns": moments, "instrument": contract, "direction": [1, -1, 1], "confidence": 0.7}
    )
    made = evaluate(signals, prices, ["5min"], close=False, draws=0, marks=marks)
    assert made["open_interest"].values.tolist() == [500.0, 500.0, 900.0]
    assert made["priced_by"].values.tolist() == ["SPX"] * 3
    by_stamp = known_open_interest(
        event_ns=moments,
        instrument=np.array([contract] * 3, dtype=object),
        marks=marks.drop(columns="open_interest_ns"),
    )
    assert by_stamp.tolist() == [900.0, 900.0, 900.0]
    with pytest.raises(
        LookAheadError, match=r"2 of 3 tell an open interest .* join it as of open_interest_ns"
    ):
        evaluate(signals.assign(open_interest=by_stamp), prices, ["5min"], close=False, draws=0, marks=marks)


def test_signals_that_change_without_the_future_looked_ahead() -> None:
    trades = walk(600)
    marks = pd.DataFrame(
        {
            "event_ns": trades["event_ns"].iloc[::100],
            "open_interest_ns": trades["event_ns"].iloc[::100] + 50 * SECOND,
            "instrument": "BTC/USD",
            "open_interest": np.arange(6.0),
        }
    )
    tables = {"trades": trades, "marks": marks}

    def rising(rows: dict[str, pd.DataFrame], ahead: int = 0, by: str = "open_interest_ns") -> pd.DataFrame:
        price = rows["trades"]["price"]
        moved = np.sign(price.shift(-ahead) - price.shift(5)).fillna(0.0)
        interest = pd.merge_asof(
            rows["trades"][["event_ns"]],
            rows["marks"].sort_values(by)[[by, "open_interest"]],
            left_on="event_ns",
            right_on=by,
        )
        return rows["trades"].assign(side=moved, open_interest=interest["open_interest"].to_numpy())

    assert look_ahead(rising, tables).empty
    by_price = look_ahead(lambda rows: rising(rows, ahead=3), tables)
    assert len(by_price) == 8 and by_price["difference"].str.contains("side is").all()
    by_interest = look_ahead(lambda rows: rising(rows, by="event_ns"), tables)
    assert (
        len(by_interest) >= 2
        and by_interest["difference"].str.contains("open_interest is .* with hindsight").all()
    )


# -- rules, reasons, sweeps --------------------------------------------------------------------------------


def test_false_alarms_say_why() -> None:
    price = np.array([100.0, 100.0, 103.0, 99.0, 99.0, 98.0, 97.0, 97.0, 97.0, 97.0])
    prices = pd.DataFrame({"event_ns": np.arange(10) * MINUTE, "instrument": "BTC/USD", "price": price})
    signals = told(
        prices,
        [0, 3, 6, 4, 2],
        direction=[1, 1, 1, 1, -1],
        classifier=list("abcda"),
        retracted=[False, False, False, True, False],
    )
    made = evaluate(signals, prices, ["2min"], close=False, draws=0, priced_by="instrument")
    at = {
        str(one): made["false_alarms"].sel(group=one, horizon="2min").to_series()
        for one in made["group"].values
    }
    assert at["a"].to_dict() == {"taken back": 0, "no move": 1, "came back": 0, "went against it": 0}
    assert at["all"].sum() == 4
    assert at["b"]["went against it"] == 1 and at["c"]["no move"] == 1 and at["d"]["taken back"] == 1
    later = evaluate(signals.iloc[[0]], prices, ["3min"], close=False, draws=0, priced_by="instrument")
    assert later["false_alarms"].sel(group="all", horizon="3min", false_alarm="came back").item() == 1
    costly = evaluate(
        signals.iloc[[0]], prices, ["2min"], close=False, draws=0, priced_by="instrument", cost_bps=400.0
    )
    assert not costly["hits"].any() and made["hits"].sel(group="a").item() == 1


@pytest.mark.parametrize("extreme", [np.maximum, np.minimum])
def test_extremes_of_ranges(extreme: np.ufunc) -> None:
    random = np.random.default_rng(8)
    values = random.standard_normal(5_000)
    start = random.integers(0, 4_999, 200)
    stop = np.minimum(start + 1 + random.integers(0, 4_000, 200), 5_000)
    wanted = [extreme.reduce(values[a:b]) for a, b in zip(start, stop, strict=True)]
    assert range_extreme(values, start, stop, extreme).tolist() == wanted


def test_abstentions_are_counted_with_their_reasons() -> None:
    prices = walk(2_000)
    signals = told(
        prices, [10, 20, 30, 40], direction=[1, 0, 0, -1], classifier=["block", "block", "roll", "roll"],
        abstained=[False, True, True, True], reason=["", "stale quotes", "", "wide"],
    )  # fmt: skip
    made = evaluate(signals, prices, ["1min"], close=False, draws=0)
    assert made["abstention_rate"].sel(group=["all", "block", "roll"]).values.tolist() == [0.75, 0.5, 1.0]
    assert made["abstentions"].sel(group="all").to_series().to_dict() == {
        "not said": 1,
        "stale quotes": 1,
        "wide": 1,
    }
    assert made["measured"].sel(horizon="1min").values.tolist() == [1, 1, 0]


def test_a_sweep_finds_the_planted_lag_among_many(drifting: tuple[pd.DataFrame, np.ndarray]) -> None:
    prices, places = drifting
    lags = [0, *range(37, 217, 15)]
    made = sweep(
        lambda lag: told(prices, places + lag, side=1), {"lag": lags}, prices, ["35s"], close=False, draws=20
    )
    assert made.attrs["tests"] == 13
    wanted = stats.false_discovery_control(made["p_value"].values.ravel())
    np.testing.assert_allclose(made["p_adjusted"].values.ravel(), wanted)
    assert made["lag"].values[made["discovery"].values.ravel()].tolist() == [0]
    with pytest.raises(EvaluationError, match="none of 1 runs made a signal"):
        sweep(lambda lag: told(prices, [], side=1), {"lag": [1]}, prices)


def test_candles_count_from_their_end() -> None:
    candles = pd.DataFrame(
        {
            "event_ns": np.arange(5) * MINUTE,
            "every_ns": MINUTE,
            "instrument": "BTC/USD",
            "close": np.arange(1.0, 6.0),
            "closed": True,
        }
    )
    made = evaluate(
        pd.DataFrame({"event_ns": [MINUTE], "instrument": ["BTC/USD"], "side": [1]}),
        candles,
        ["2min"],
        close=False,
        draws=0,
    )
    assert made["entry_ns"].item() == 2 * MINUTE
    assert float(made["forward_bps"][0, 0]) == pytest.approx(1e4 * np.log(3.0 / 2.0))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"horizons": ["soon"]}, "horizons: 'soon'"),
        ({"confidence": 1.0}, "confidence"),
        ({"draw": 3}, "parameters are close, calendar"),
        ({"by": "colour"}, "no column colour"),
        ({"priced_by": "mark"}, "priced_by"),
        ({"buckets": [1.0, 0.0]}, "ascending"),
        ({"stale_after": "0s"}, "stale_after"),
    ],
)
def test_mistakes_name_the_part(changes: dict[str, Any], said: str) -> None:
    prices = walk(200)
    with pytest.raises(EvaluationError, match=said):
        evaluate(told(prices, [3], side=1), prices, **{"close": False, **changes})


def test_nothing_and_nobody() -> None:
    prices = walk(200)
    none = evaluate(told(prices, [], side=np.empty(0)), prices, ["1min"], close=False)
    assert none["signals"].item() == 0 and np.isnan(none["hit_rate"].item())
    unknown = evaluate(told(prices, [3], side=1).assign(instrument="ETH/USD"), prices, ["1min"], close=False)
    assert unknown["outcomes"].sel(group="all", horizon="1min", outcome_name="no prices").item() == 1
    assert "ETH/USD" in unknown.attrs["without_prices"]
    assert "None." in report(none)._repr_html_()
    with pytest.raises(EvaluationError, match="none of 200 rows holds a positive price"):
        evaluate(told(prices, [3], side=1), prices.assign(price=-1.0))


def test_the_report_is_a_page_with_the_figures(
    drifting: tuple[pd.DataFrame, np.ndarray], tmp_path: Path
) -> None:
    prices, places = drifting
    signals = told(prices, places, side=1, kind="a <b>", score=np.linspace(0, 1, places.size))
    made = evaluate(signals, prices, ["1min"], close=False, draws=5)
    path = made.pipe(report, "Planted").save(tmp_path / "page.html")
    page = path.read_text()
    assert f"{float(made['hit_rate'].sel(group='all', horizon='1min')):.1%}" in page
    assert "a &lt;b&gt;" in page and made.attrs["prices_digest"] in page
    body = page[page.index("<h3>Hit rates") :]
    for picture in body.split("<svg")[1:]:  # well-formed
        ElementTree.fromstring("<svg" + picture.split("</svg>")[0] + "</svg>")
    assert body.count("<svg") == 2


def test_a_lone_path_gives_what_its_frame_gives() -> None:
    prices = walk(300)
    path = {"BTC/USD": PricePath(prices["event_ns"].to_numpy(), prices["price"].to_numpy())}
    signals = told(prices, [3, 50], side=[1, -1])
    ours, theirs = (evaluate(signals, given, ["1min"], close=False, draws=3) for given in (prices, path))
    assert ours.identical(theirs)
