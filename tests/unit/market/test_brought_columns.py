"""What a batch brings becomes what it says or is refused: times of any unit and zone, numbers of any dtype."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workstation.market.errors import TableError
from workstation.market.tables import TABLES, TRADES
from workstation.streams.hub import Hub

T = pd.Timestamp("2025-01-01").value
TIMES = pd.to_datetime(pd.Series([T, T + 10**9, T + 2 * 10**9]))
BASE = pd.DataFrame(
    {"event_ns": TIMES.astype("int64"), "instrument": "X", "price": [1.0, 2.0, 3.0], "size": 1.0}
)
ZONED = TIMES.dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo")

SAME: dict[str, dict[str, Any]] = {
    **{f"datetime64[{unit}]": {"event_ns": TIMES.astype(f"datetime64[{unit}]")} for unit in ("s", "ms", "us", "ns")},
    **{f"zoned {unit}": {"event_ns": ZONED.dt.as_unit(unit)} for unit in ("s", "ms", "us", "ns")},
    "timestamp[us][pyarrow]": {"event_ns": TIMES.astype("timestamp[us][pyarrow]")},
    "Timestamps": {"event_ns": [pd.Timestamp(at) for at in TIMES]},
    "zoned Timestamps": {"event_ns": pd.Series(list(ZONED), dtype=object)},
    "datetimes": {"event_ns": pd.Series([at.to_pydatetime().replace(tzinfo=UTC) for at in TIMES], dtype=object)},
    "Int64": {"event_ns": BASE["event_ns"].astype("Int64"), "price": BASE["price"].astype("Int64")},
    "arrow numbers": {"price": BASE["price"].astype("double[pyarrow]"), "event_ns": BASE["event_ns"].astype("int64[pyarrow]")},
    "unknown receipt": {"seen_ns": pd.Series([pd.NaT] * 3)},
}  # fmt: skip
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "NaT": ({"event_ns": TIMES.where([True, False, True])}, "event_ns, row 1: .*without a time"),
    "zoned NaT": ({"event_ns": ZONED.where([True, False, True])}, "event_ns, row 1: .*without a time"),
    "NaT among objects": ({"event_ns": pd.Series([TIMES[0], pd.NaT, TIMES[2]], dtype=object)}, "row 1: .*without a time"),
    "seconds of float32": ({"event_ns": BASE["event_ns"].astype("float32")}, "no nanoseconds"),
    "timedelta": ({"event_ns": pd.to_timedelta(BASE["event_ns"])}, "no instants"),
    "truth as time": ({"event_ns": True}, "truth values"),
    "text as time": ({"event_ns": "2025-01-01"}, "give int64 ns of UTC or datetimes"),
    "period": ({"event_ns": TIMES.dt.to_period("s")}, "give int64 ns of UTC or datetimes"),
    "out of range": ({"event_ns": pd.Series(np.array(["9999-01-01"] * 3, dtype="M8[s]"))}, "event_ns"),
    "datetime as price": ({"price": TIMES}, "price.*no numbers"),
    "truth as price": ({"price": True}, "price.*truth values"),
    "complex price": ({"price": BASE["price"].astype("complex")}, "price.*no numbers"),
    "text as price": ({"price": ["1", "x", "3"]}, "price, row 1: .*holds 'x': not a number"),
    "truth as side": ({"side": [True, False, True]}, "side.*truth values"),
    "text as side": ({"side": "buy"}, "side.*not a number"),
}  # fmt: skip


@pytest.mark.parametrize("brought", SAME.values(), ids=SAME)
def test_what_says_the_same_becomes_the_same(brought: dict[str, Any]) -> None:
    found, right = TRADES.conform(BASE.assign(**brought)), TRADES.conform(BASE)
    for name in ("event_ns", "instrument", "price", "size"):
        assert found[name].tolist() == right[name].tolist(), name
    hub, seen = Hub(), []
    hub.attach("seen", ["trades"], lambda _, frame: seen.extend(frame["event_ns"].tolist()))
    hub.publish("trades", BASE.assign(**brought))
    hub.settle()
    assert seen == right["event_ns"].tolist()


@pytest.mark.parametrize(("brought", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_something_else_is_refused_by_name(brought: dict[str, Any], said: str) -> None:
    with pytest.raises(TableError, match=said) as refused:
        TRADES.conform(BASE.assign(**brought))
    assert "argument must be" not in str(refused.value) and "invalid literal" not in str(refused.value)


def test_a_day_is_its_midnight() -> None:
    days = pd.DataFrame(
        {"event_ns": pd.Series([date(2025, 1, 1), datetime(2025, 1, 1)], dtype=object), "feed": ""}
    )
    assert TABLES["heartbeat"].conform(days)["event_ns"].tolist() == [T, T]
