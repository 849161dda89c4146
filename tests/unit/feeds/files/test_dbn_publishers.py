"""Whose record it is: venues, consolidated quotes and datasets of DBN files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.feeds.files.dbn_files import (
    CALL,
    ES,
    OPRA,
    T,
    bar,
    consolidated,
    dbn,
    header,
    price,
    statistic,
    tables,
    top,
    trade,
    write,
)  # fmt: skip
from workstation.feeds.files.dbn_publishers import publisher, publishers
from workstation.history import open_history
from workstation.market.tables import TradeFlag
from workstation.research.importing import import_files

EQUITY = {"AAPL": OPRA[CALL]}
BARS = [
    bar(22, 4242, 1.00, 1.10, 0.99, 1.05, volume=120), bar(26, 4242, 1.01, 1.20, 1.00, 1.06, volume=80),
    bar(29, 4242, 1.02, 1.08, 0.95, 1.04, volume=200), bar(32, 4242, 1.00, 1.07, 1.00, 1.03, volume=10),
]  # fmt: skip


def test_the_shipped_list_is_the_vendors() -> None:
    vendors = pytest.importorskip("databento.common.publishers", reason="databento is not installed")
    theirs = {one.to_int(): (str(one.dataset), str(one.venue)) for one in vendors.Publisher}
    assert {number: (one.dataset, one.venue) for number, one in publishers().items()} == theirs


def test_roles_follow_the_vendors_descriptions() -> None:
    assert {number for number, one in publishers().items() if one.role == "consolidated"} == {
        30, 59, 60, 90, 93, 94, 95, 96, 134, 135,
    }  # fmt: skip
    assert {one.venue for one in publishers().values() if one.role == "off_exchange"} == {
        "FINN", "FINC", "FINY", "XADF", "XOFF",
    }  # fmt: skip
    assert publisher(1).role == publisher(101).role == "sole"
    assert publisher(2).role == publisher(108).role == publisher(109).role == "exchange"


def test_a_venues_quote_never_passes_for_the_consolidated_one(tmp_path: Path) -> None:
    records = [top(22, 4242, 1.0, 1.1), top(30, 4242, 1.05, 1.08), top(24, 4242, 0.9, 1.2)]
    quotes = tables(write(tmp_path / "a.dbn", header("OPRA.PILLAR", OPRA), records))["quotes"]
    assert quotes["exchange"].tolist() == ["XCBO", "", "EDGO"]
    assert quotes["venue"].tolist() == ["xcbo", "opra", "edgo"]
    assert quotes["bid"].tolist() == [1.0, 1.05, 0.9]


@pytest.mark.parametrize("rtype", [dbn.RType.CMBP_1, dbn.RType.TCBBO])
def test_a_consolidated_record_is_the_markets_quote_and_one_venues_print(tmp_path: Path, rtype: int) -> None:
    record = consolidated(rtype, 22, 4242, 1.0, 1.1, price=price(1.07))
    found = tables(write(tmp_path / "a.dbn", header("OPRA.PILLAR", OPRA), [record]))
    assert found["quotes"][["exchange", "venue", "bid", "ask"]].values.tolist() == [["", "opra", 1.0, 1.1]]
    assert found["trades"][["exchange", "venue", "price"]].values.tolist() == [["XCBO", "xcbo", 1.07]]


def test_a_publisher_of_no_list_keeps_its_number(tmp_path: Path) -> None:
    records = [trade(22, 4242), trade(250, 4242), top(250, 4242, 1.0, 1.1)]
    found = tables(write(tmp_path / "a.dbn", header("OPRA.PILLAR", OPRA), records))
    assert found["trades"]["venue"].tolist() == ["xcbo", "publisher-250"]
    assert found["quotes"]["exchange"].tolist() == ["publisher-250"], "not the NBBO"


def test_the_only_exchange_of_a_contract_quotes_the_market(tmp_path: Path) -> None:
    found = tables(write(tmp_path / "a.dbn", header("GLBX.MDP3", ES), [top(1, 118, 5300.0, 5300.25)]))
    assert found["quotes"][["exchange", "venue"]].values.tolist() == [["", "glbx"]]


def test_reports_of_off_exchange_trades_are_flagged(tmp_path: Path) -> None:
    ids = [81, 82, 83, 19, 133, 106, 2]
    records = [trade(number, 4242) for number in ids]
    trades = tables(write(tmp_path / "a.dbn", header("XNAS.BASIC", EQUITY), records))["trades"]
    off = (trades["flags"] & int(TradeFlag.OFF_EXCHANGE)) != 0
    assert off.tolist() == [False, True, True, True, True, True, False]
    assert (trades["condition"] == "").all(), "DBN carries no sale condition"
    assert trades["venue"].tolist()[1:4] == ["finn", "finc", "finy"]


@pytest.mark.parametrize(
    ("dataset", "number", "venue"),
    [("OPRA.PILLAR", 22, "opra"), ("GLBX.MDP3", 1, "glbx"), ("XEUR.EOBI", 101, "xeur"), ("XNAS.ITCH", 2, "xnas")],
)  # fmt: skip
def test_every_dataset_has_its_own_name(tmp_path: Path, dataset: str, number: int, venue: str) -> None:
    file = write(tmp_path / "a.dbn", header(dataset, OPRA), [statistic(number, 4242, 10)])
    assert tables(file)["marks"]["venue"].tolist() == [venue]


@pytest.mark.parametrize("rtype", [32, 33, 34, 35])
def test_bars_of_several_venues_are_kept_apart(tmp_path: Path, rtype: int) -> None:
    records = [
        bar(22, 4242, 1.0, 1.1, 0.9, 1.0, volume=7, rtype=rtype), bar(26, 4242, 1.0, 1.2, 0.8, 1.0, volume=9, rtype=rtype),
    ]  # fmt: skip
    candles = tables(write(tmp_path / "a.dbn", header("OPRA.PILLAR", OPRA), records))["candles"]
    assert candles["venue"].tolist() == ["xcbo", "xisx"]
    assert candles["every_ns"].unique().tolist() == [{32: 1, 33: 60, 34: 3_600, 35: 86_400}[rtype] * 10**9]
    assert candles["seen_ns"].tolist() == [0, 0], "a bar was not seen when it began"


def test_no_venues_bar_replaces_another_in_history(tmp_path: Path) -> None:
    file = write(tmp_path / "a.dbn", header("OPRA.PILLAR", OPRA), BARS)
    history = open_history(tmp_path / "h")
    import_files(history, "dbn", [file])
    candles = history.read("candles")
    assert candles[["venue", "volume"]].values.tolist() == [
        ["xcbo", 120.0], ["xisx", 80.0], ["arco", 200.0], ["xndq", 10.0],
    ]  # fmt: skip
    assert candles["event_ns"].unique().tolist() == [T]
    answer = history.sql("SELECT max(high) AS high, min(low) AS low, sum(volume) AS volume FROM candles")
    assert answer.iloc[0].tolist() == [1.20, 0.95, 410.0]
    assert len(history.latest("candles")) == 4
    history.roll()
    assert len(history.read("candles")) == 4
    assert len(history.latest("candles")) == 4
    history.close()
