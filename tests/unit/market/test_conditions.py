"""Sale conditions: the shipped tables against the recorded references, and what each rule of eligibility says."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workstation.market.conditions import (
    ConditionError,
    conditions,
    correction_flags,
    counts,
    flags,
    off_exchange,
    price_setting,
    read_conditions,
)
from workstation.market.tables import TradeFlag

CANCELS, LATE, NEUTRAL, LEGS, TIED = "ACEG", "BDFH", "abcde", "fghijlm", "knopqrs"


def test_opra_eligibility_follows_the_definitions() -> None:
    types = conditions("opra")
    assert len(types) == 33
    for code in CANCELS:
        assert types[code].flags == TradeFlag.CANCEL
        assert not (types[code].last or types[code].volume or types[code].aggressor)
    for code in LATE:
        assert TradeFlag.LATE in types[code].flags
        assert (types[code].last, types[code].volume, types[code].aggressor) == (False, True, False)
    for code in NEUTRAL + LEGS + TIED + "tuJ":
        assert types[code].volume
        assert not types[code].aggressor
    assert all(TradeFlag.MULTI_LEG in types[code].flags for code in LEGS + "t")
    assert all(TradeFlag.STOCK_TIED in types[code].flags for code in TIED)
    assert types["u"].flags == TradeFlag.COMPRESSION
    assert types["v"].flags == TradeFlag.EXTENDED_HOURS
    assert types["S"].flags == TradeFlag.ISO
    assert [code for code, kind in types.items() if kind.aggressor] == ["I", "S", "v"]


@pytest.mark.parametrize(
    ("words", "flag"),
    [("auction", TradeFlag.AUCTION), ("cross", TradeFlag.CROSS), ("floor", TradeFlag.FLOOR)],
)
def test_flags_agree_with_the_words_of_each_type(words: str, flag: TradeFlag) -> None:
    for code, kind in conditions("opra").items():
        if code != "J":
            assert (flag in kind.flags) == (words in kind.meaning), code


@pytest.mark.recorded
def test_opra_types_are_those_of_the_reference(sample_data: Path) -> None:
    reference = json.loads((sample_data / "reference/opra_trade_types.json").read_text())["types"]
    types = conditions("opra")
    assert {code: kind.name for code, kind in types.items()} == {
        code: row[0] for code, row in reference.items()
    }
    for code, (_, label) in reference.items():
        kind = types[code]
        assert ("cancel" in label) == (TradeFlag.CANCEL in kind.flags), code
        assert label.startswith("late") == (TradeFlag.LATE in kind.flags), code
        assert label.endswith("oos") == (TradeFlag.OUT_OF_SEQUENCE in kind.flags), code
        assert (label in ("iso", "single_auction_iso", "single_cross_iso")) == (
            TradeFlag.ISO in kind.flags
        ), code
        assert label.startswith(("multi", "prop_multi")) == (TradeFlag.MULTI_LEG in kind.flags), code
        assert label.startswith("stockopt") == (TradeFlag.STOCK_TIED in kind.flags), code
        for part, flag in (
            ("auction", TradeFlag.AUCTION),
            ("cross", TradeFlag.CROSS),
            ("floor", TradeFlag.FLOOR),
        ):
            assert (part in label) == (flag in kind.flags) or code == "J", code


@pytest.mark.recorded
def test_equity_letters_agree_with_a_vendors_update_rules(sample_data: Path) -> None:
    path = sample_data / "equities_prints/polygon_rest/v3__reference__conditions_asset_class=stocks.json"
    compared = 0
    for row in json.loads(path.read_text())["results"]:
        for tape, letter in row["sip_mapping"].items():
            kind = conditions(tape.lower())[letter]
            rules = row["update_rules"]["consolidated"]
            assert kind.volume == rules["updates_volume"], (tape, letter)
            if (tape, letter) != ("CTA", "I"):  # CAP election then, odd lot since December 2013
                assert kind.last == rules["updates_open_close"], (tape, letter)
            compared += 1
    assert compared >= 10


@pytest.mark.recorded
def test_every_condition_of_a_recorded_taq_day_is_known(sample_data: Path) -> None:
    day = pd.read_csv(
        sample_data / "equities_prints/nyse_taq_R/sampleTDataRaw_2018-01-02.csv.gz",
        dtype={"COND": "str", "EX": "str"},
    )
    read = read_conditions(day["COND"], "cta", day["EX"])
    assert read["known"].all()
    bits = read["flags"].to_numpy()
    assert ((bits & TradeFlag.OFF_EXCHANGE) != 0).sum() == (day["EX"] == "D").sum()
    assert (((bits & TradeFlag.ISO) != 0) == day["COND"].fillna("").str.contains("F")).all()
    odd = (bits & TradeFlag.ODD_LOT) != 0
    assert (day["SIZE"][odd] < 100).all()
    late_or_early = (bits & TradeFlag.EXTENDED_HOURS) != 0
    hour = pd.to_datetime(day["DT"]).dt.tz_localize("UTC").dt.tz_convert("America/New_York")
    minutes = hour.dt.hour * 60 + hour.dt.minute
    assert late_or_early.sum() > 200
    assert ((minutes < 570) | (minutes >= 960))[
        late_or_early
    ].mean() > 0.99  # one prints 0.2 s after the open


@pytest.mark.recorded
def test_leans_bits_mean_what_they_say_on_a_recorded_day(sample_data: Path) -> None:
    with zipfile.ZipFile(
        sample_data / "equities_prints/lean/equity/usa/tick/ibm/20131008_trade.zip"
    ) as archive:
        names = ["ms", "price", "size", "exchange", "mask", "suspicious"]
        with archive.open(archive.namelist()[0]) as file:
            day = pd.read_csv(file, names=names, dtype={"mask": "str"})
    read = read_conditions(day["mask"], "lean", day["exchange"])
    assert read["known"].all()
    bits = read["flags"].to_numpy()
    outside = (day["ms"] < 9.5 * 3_600_000) | (day["ms"] >= 16 * 3_600_000)
    extended = (bits & TradeFlag.EXTENDED_HOURS) != 0
    assert extended.any()
    assert outside[extended].mean() > 0.98
    # sweeps are routed between exchanges: hardly any is reported off exchange
    swept = (bits & TradeFlag.ISO) != 0
    assert swept.mean() > 0.01
    assert ((bits[swept] & TradeFlag.OFF_EXCHANGE) != 0).mean() < 0.2


@pytest.mark.parametrize("tape", ["opra", "cta", "utp"])
def test_flags_say_of_every_condition_what_the_table_says(tape: str) -> None:
    """What obeys the flags obeys the table, and two conditions of one print add up to the stricter one."""
    codes = list(conditions(tape))
    pairs = [first + second for first in codes for second in codes if tape != "opra"]
    read = read_conditions([*codes, *pairs], tape)
    assert price_setting(read["flags"]).tolist() == read["last"].tolist()
    assert counts(read["flags"]).tolist() == read["volume"].tolist()


def test_flags_say_of_every_lean_bit_what_the_table_says() -> None:
    read = read_conditions([f"{1 << bit:x}" for bit in range(32)], "lean")
    assert price_setting(read["flags"]).tolist() == read["last"].tolist()
    assert counts(read["flags"]).tolist() == read["volume"].tolist()
    assert not price_setting(read_conditions(["?"], "cta")["flags"]).any()


def test_letters_of_one_print_add_up() -> None:
    read = read_conditions(["@", "@FTI", "7 V", "", None, "W", "@?"], tape="utp")
    assert read["flags"].tolist() == [
        0,
        TradeFlag.ISO | TradeFlag.EXTENDED_HOURS | TradeFlag.ODD_LOT,
        TradeFlag.STOCK_TIED,
        0,
        0,
        TradeFlag.AVERAGE_PRICE,
        TradeFlag.NO_PRICE,
    ]
    assert read["last"].tolist() == [True, False, False, True, True, False, False]
    assert read["aggressor"].tolist() == [True, True, False, True, True, False, False]
    assert read["volume"].all()
    assert read["known"].tolist() == [True] * 6 + [False]


def test_the_same_letter_is_another_thing_on_the_other_tape() -> None:
    assert flags(["B"], "cta").tolist() == [TradeFlag.AVERAGE_PRICE]
    assert flags(["B"], "utp").tolist() == [0]
    assert not read_conditions(["W"], "cta")["known"].iloc[0]


def test_lean_masks_are_hexadecimal_and_odd_ones_are_said_to_be() -> None:
    read = read_conditions(["0", "1", "20000020", "2000", "100000", "100000000", "zz"], tape="lean")
    assert read["flags"].tolist() == [
        0,
        0,
        TradeFlag.ISO,
        TradeFlag.EXTENDED_HOURS | TradeFlag.NO_PRICE,
        TradeFlag.AVERAGE_PRICE,
        TradeFlag.NO_PRICE,
        TradeFlag.NO_PRICE,
    ]
    assert read["known"].tolist() == [True] * 5 + [False, False]


def test_categoricals_are_read_by_category() -> None:
    printed = pd.Series(pd.Categorical(["S", "I", None, "S"], categories=["I", "S", "never"]))
    got = flags(printed)
    assert got.dtype == np.int32
    assert got.tolist() == [16, 0, 0, 16]
    assert flags(pd.Series([], dtype="str")).tolist() == []


def test_exchange_d_is_off_exchange() -> None:
    assert off_exchange(pd.Series(["D", "N", None])).tolist() == [True, False, False]
    assert flags(["F", ""], "cta", ["D", "D"]).tolist() == [
        TradeFlag.ISO | TradeFlag.OFF_EXCHANGE,
        TradeFlag.OFF_EXCHANGE,
    ]


def test_an_unknown_tape_lists_the_known() -> None:
    with pytest.raises(ConditionError, match="'tsx'; known are opra, cta, utp, lean"):
        flags(["@"], "tsx")
    with pytest.raises(ConditionError, match="'lean'; known are opra, cta, utp"):
        conditions("lean")


@pytest.mark.parametrize(
    ("code", "void", "known"),
    [("0", 0, True), ("00", 0, True), ("", 0, True), ("1", 0, True), ("2", 0, True), ("7", 1, True), ("08", 1, True),
     ("9", 1, True), ("10", 1, True), ("11", 1, True), ("12", 1, True), ("5", 0, False), ("x", 0, False)],
)  # fmt: skip
def test_corrections_say_what_counts_for_nothing(code: str, void: int, known: bool) -> None:
    bits, found = correction_flags([code])
    assert bits.tolist() == [void * int(TradeFlag.CANCEL | TradeFlag.VOID)]
    assert counts(bits).tolist() == [not void]
    assert found.tolist() == [known]
