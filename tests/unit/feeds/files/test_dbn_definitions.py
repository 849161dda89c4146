"""Terms of instruments in DBN definitions."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.unit.feeds.files.dbn_files import UNDEFINED_PRICE, T, dbn, header, price, tables, top, trade, write
from workstation.feeds.files import Rejections
from workstation.history import open_history
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.tables import NO_TIME
from workstation.research.importing import import_files

EXPIRY = pd.Timestamp("2026-06-19T13:30Z").value
KIND = dbn.InstrumentClass


def definition(publisher: int, symbol: str, kind: Any, instrument: int = 118, **others: Any) -> Any:
    words = {
        "publisher_id": publisher, "instrument_id": instrument, "ts_event": T, "ts_recv": T, "min_price_increment": price(0.25),
        "display_factor": price(1.0), "raw_symbol": symbol, "asset": "ES", "security_type": "OOF", "instrument_class": kind,
        "security_update_action": dbn.SecurityUpdateAction.ADD, "expiration": EXPIRY, "currency": "USD", "exchange": "XCME",
    } | others  # fmt: skip
    return dbn.InstrumentDefMsg(**words)


def future_option(symbol: str, **others: Any) -> Any:
    words = {
        "strike_price": price(5300), "unit_of_measure_qty": price(50), "underlying": "ESM6", "cfi": "OCAFPS",
    } | others  # fmt: skip
    return definition(1, symbol, KIND.CALL, **words)


def instruments(
    path: Path, dataset: str, *records: Any, rejections: Rejections | None = None
) -> pd.DataFrame:
    return tables(write(path / "a.dbn", header(dataset), records), rejections)["instruments"]


@pytest.mark.parametrize("symbol", ["ESM6 C5300", "EW3K6 C5300", "ES    260619C05300000"])
def test_a_future_option_has_its_own_terms(tmp_path: Path, symbol: str) -> None:
    row = instruments(tmp_path, "GLBX.MDP3", future_option(symbol)).iloc[0]
    assert row[["instrument", "kind", "underlying", "root", "right", "style"]].tolist() == [
        symbol, "option", "ESM6", "ES", "C", "american",
    ]  # fmt: skip
    assert row[["multiplier", "strike", "expiry_ns", "tick_size"]].tolist() == [50.0, 5300.0, EXPIRY, 0.25]
    assert row[["venue", "premium_currency", "settle_currency"]].tolist() == ["xcme", "USD", "USD"]


def test_a_future_options_terms_survive_the_import_of_its_trades(tmp_path: Path) -> None:
    symbol = "ES    260619P05100000"  # spelled as a stock option is
    record = definition(
        1, symbol, KIND.PUT, 4, strike_price=price(5100), unit_of_measure_qty=price(50), underlying="ESM6", cfi="OPEFPS"
    )  # fmt: skip
    file = write(tmp_path / "live.dbn", header("GLBX.MDP3"), [record, trade(1, 4), top(1, 4, 9.0, 9.25)])
    history = open_history(tmp_path / "h")
    done = import_files(history, "dbn", [file])
    assert done.rows["trades"] == done.rows["quotes"] == 1, "a definition names its id"
    terms = history.read("instruments")
    mine = terms[terms["instrument"] == symbol]
    assert mine[["multiplier", "underlying", "expiry_ns", "style"]].drop_duplicates().values.tolist() == [
        [50.0, "ESM6", EXPIRY, "european"]
    ]
    assert INSTRUMENT_TERMS.describe([symbol])["multiplier"].tolist() == [50.0]
    history.close()


def test_definitions_name_ids_for_their_day(tmp_path: Path) -> None:
    day = 86_400 * 10**9
    old = {"ts_event": T - 400 * day}  # when it was listed; the day is that of the snapshot
    records = [
        trade(1, 9),
        definition(1, "ESM6", KIND.FUTURE, 4, **old), trade(1, 4), definition(1, "ESU6", KIND.FUTURE, 4, ts_recv=T + day, **old),
        trade(1, 4, T + day), trade(1, 4, T + 2 * day),
    ]  # fmt: skip
    rejections = Rejections()
    trades = tables(write(tmp_path / "a.dbn", header("GLBX.MDP3"), records), rejections)["trades"]
    assert trades["instrument"].tolist() == ["ESM6", "ESU6"]
    assert rejections.counts == {"no symbol for the instrument id in the file's metadata": 2}


def test_a_future_is_described(tmp_path: Path) -> None:
    record = definition(1, "ESM6", KIND.FUTURE, unit_of_measure_qty=price(50), strike_price=price(7))
    row = instruments(tmp_path, "GLBX.MDP3", record).iloc[0]
    assert row[["kind", "multiplier", "right", "style"]].tolist() == ["future", 50.0, "", ""]
    assert np.isnan(row["strike"])


@pytest.mark.parametrize(
    ("size", "count", "expected"),
    [
        (price(50), None, 50.0), (UNDEFINED_PRICE, 10, 10.0), (price(5), 21, 105.0), (UNDEFINED_PRICE, None, np.nan),
        (0, None, np.nan),
    ],
)  # fmt: skip
def test_the_contract_size_is_the_records(
    tmp_path: Path, size: int, count: int | None, expected: float
) -> None:
    record = future_option("ESM6 C5300", unit_of_measure_qty=size, contract_multiplier=count)
    row = instruments(tmp_path, "GLBX.MDP3", record).iloc[0]
    np.testing.assert_equal(row["multiplier"], expected)


def test_what_is_undefined_is_missing(tmp_path: Path) -> None:
    record = definition(
        1, "ESM6 C5300", KIND.CALL, expiration=2**64 - 1, min_price_increment=UNDEFINED_PRICE,
        strike_price=UNDEFINED_PRICE, exchange="", settl_currency="EUR",
    )  # fmt: skip
    row = instruments(tmp_path, "GLBX.MDP3", record).iloc[0]
    assert row["expiry_ns"] == NO_TIME
    assert row[["tick_size", "strike", "multiplier"]].isna().all()
    assert row[["venue", "settle_currency", "style"]].tolist() == ["glbx", "EUR", ""]


def test_a_stock_option_expires_when_its_market_closes(tmp_path: Path) -> None:
    midnight = pd.Timestamp("2026-06-18T00:00Z").value
    words = {"asset": "", "underlying": "SPX", "exchange": "OPRA", "expiration": midnight}
    records = [
        definition(30, "SPXW  260618C06000000", KIND.CALL, strike_price=price(6000), **words),
        definition(30, "SPX   260618C06000000", KIND.CALL, strike_price=price(6000), **words),
        definition(30, "not an OSI symbol", KIND.CALL, strike_price=price(6000), **words),
        definition(30, "SPXW  260618P06000000", KIND.PUT, strike_price=price(6000), unit_of_measure_qty=price(10), **words),
    ]  # fmt: skip
    rows = instruments(tmp_path, "OPRA.PILLAR", *records)
    close, opening = pd.Timestamp("2026-06-18T20:00Z").value, pd.Timestamp("2026-06-18T13:30Z").value
    assert rows["expiry_ns"].tolist() == [close, opening, NO_TIME, close], "a date alone is no instant"
    assert rows["multiplier"].tolist()[::3] == [100.0, 10.0]
    assert rows["underlying"].tolist() == ["SPX"] * 4


def test_spreads_and_nameless_definitions_are_counted(tmp_path: Path) -> None:
    rejections = Rejections()
    records = [
        definition(1, "ESM6-ESU6", KIND.FUTURE_SPREAD), definition(1, "UD:1V: RR 286", KIND.OPTION_SPREAD),
        definition(1, "", KIND.FUTURE), definition(1, "ESM6", KIND.FUTURE, ts_event=5),
        definition(1, "ESU6", KIND.FUTURE, ts_event=2**64 - 1),
    ]  # fmt: skip
    rows = instruments(tmp_path, "GLBX.MDP3", *records, rejections=rejections)
    assert rows[["instrument", "event_ns"]].values.tolist() == [["ESU6", T]]
    assert rejections.counts == {
        "instrument class without a kind": 2, "definition without a symbol": 1, "time outside 1990-2100": 1,
    }  # fmt: skip


def test_versions_1_and_2_say_the_same(tmp_path: Path) -> None:
    def old(message: type) -> Any:
        said = {
            "publisher_id": 1, "instrument_id": 118, "ts_event": T, "ts_recv": T, "min_price_increment": price(0.25),
            "expiration": EXPIRY, "unit_of_measure_qty": price(50), "contract_multiplier": 2**31 - 1, "currency": "USD",
            "raw_symbol": "ESM6 C5300", "exchange": "XCME", "asset": "ES", "cfi": "OCAFPS", "underlying": "ESM6",
            "strike_price": price(5300), "instrument_class": KIND.CALL, "match_algorithm": dbn.MatchAlgorithm.FIFO,
            "security_update_action": dbn.SecurityUpdateAction.ADD, "user_defined_instrument": dbn.UserDefinedInstrument.NO,
        }  # fmt: skip
        unsaid = (
            "settl_currency",
            "secsubtype",
            "group",
            "security_type",
            "unit_of_measure",
            "strike_price_currency",
        )
        wanted = [name for name in inspect.signature(message).parameters if name != "ts_out"]
        return message(**dict.fromkeys(wanted, 0) | dict.fromkeys(unsaid, "") | said)

    newest = instruments(tmp_path, "GLBX.MDP3", future_option("ESM6 C5300"))
    for version, message in ((1, dbn.InstrumentDefMsgV1), (2, dbn.InstrumentDefMsgV2)):
        file = write(tmp_path / "old.dbn", header("GLBX.MDP3", version=version), [old(message)])
        pd.testing.assert_frame_equal(tables(file)["instruments"], newest)
