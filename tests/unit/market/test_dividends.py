from __future__ import annotations

import pandas as pd
import pytest

from workstation.market.dividends import read_dividends
from workstation.market.errors import TableError


def test_a_schedule_by_underlying_in_order_of_its_dates(tmp_path):
    path = tmp_path / "dividends.csv"
    path.write_text("underlying,ex_date,cash\nXYZ,2026-06-18,0.5\nABC,2026-01-05,0.2\nXYZ,2026-03-19,0.4\n")
    found = read_dividends(path)
    assert sorted(found) == ["ABC", "XYZ"]
    assert found["XYZ"].cash.tolist() == [0.4, 0.5]
    midnight = pd.Timestamp("2026-03-19", tz="America/New_York")
    assert found["XYZ"].ex_ns[0] == midnight.value


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("underlying,ex_date\nXYZ,2026-06-18\n", "cash"),
        ("underlying,ex_date,cash\nXYZ,2026-06-18,0.4\nXYZ,18.6.2026,0.5\n", "ex_date, row 1"),
        ("underlying,ex_date,cash\nXYZ,2026-06-18,-0.5\n", "cash, row 0"),
        ("underlying,ex_date,cash\n,2026-06-18,0.5\n", "underlying, row 0"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, part):
    path = tmp_path / "dividends.csv"
    path.write_text(text)
    with pytest.raises(TableError, match=part):
        read_dividends(path)
