"""The priced chain is published once per underlying and moment; what is selected from it is what the functions give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from workstation.board import priced_chain as module
from workstation.board.board import PRICED_CHAIN, Board
from workstation.board.priced_chain import PricedChain
from workstation.exposure.band import band
from workstation.exposure.book import ExposureBook, exposure
from workstation.exposure.levels import Levels, levels
from workstation.exposure.scenario import forced_flow
from workstation.market.tables import HEARTBEAT, MARKS, TRADES
from workstation.pricing.chain import chain

START = pd.Timestamp("2026-11-01").value
SECOND = 10**9
EXPIRIES = {
    "261225": pd.Timestamp("2026-12-25 08:00").value,
    "270326": pd.Timestamp("2027-03-26 08:00").value,
}


def marks(at_ns: int, underlying: str = "BTC", vol: float = 0.5) -> pd.DataFrame:
    names = [
        f"{underlying}/USD:{underlying}-{day}-{strike}-{right}"
        for day in EXPIRIES
        for strike in range(80_000, 130_000, 5_000)
        for right in "CP"
    ]
    size = 10.0 + np.arange(len(names)) % 7
    columns = {"mark_iv": vol, "open_interest": size, "volume_24h": size / 3, "forward": 1.01e5, "index": 1e5}
    return MARKS.conform(pd.DataFrame({"event_ns": at_ns, "instrument": names, **columns}))


def beat(at_ns: int) -> pd.DataFrame:
    return HEARTBEAT.conform(pd.DataFrame({"event_ns": [at_ns]}))


class Followed:
    """A board that follows an engine, fed as the hub does: first the engine, then the board."""

    def __init__(self) -> None:
        self.board, self.engine = Board(), ExposureBook(every="10s")
        self.board.follow_chains([Levels(), self.engine])

    def put(self, table: str, frame: pd.DataFrame) -> None:
        rows = self.engine.update(frame, table)
        self.board.add(table, frame)
        self.board.add("exposures", rows)

    def tick(self, number: int, **of_marks: Any) -> None:
        now = START + number * 10 * SECOND
        self.put("marks", marks(now - 1, **of_marks))
        self.put("heartbeat", beat(now))

    def chain(self, underlying: str = "BTC") -> PricedChain:
        found = self.board.priced_chain(underlying)
        assert found is not None
        return found


def test_a_chain_is_priced_once_per_moment_for_all_readers() -> None:
    followed = Followed()
    followed.tick(1)
    version = followed.board.version(PRICED_CHAIN)
    first = followed.chain()
    assert first is followed.chain()
    assert first.dataset is followed.chain().dataset
    assert first.asof_ns == START + 10 * SECOND
    assert first.marks_ns == START + 10 * SECOND - 1
    followed.tick(2)
    assert followed.board.version(PRICED_CHAIN) > version
    assert followed.chain() is not first
    assert first.asof_ns == START + 10 * SECOND


def test_what_is_selected_is_what_the_functions_give_of_the_chain() -> None:
    followed = Followed()
    followed.tick(1)
    found = followed.chain()
    whole = chain(marks(START + 10 * SECOND - 1), asof_ns=START + 10 * SECOND)
    for name in ("gamma", "vega", "mark_iv", "open_interest", "forward"):
        np.testing.assert_allclose(found.dataset[name], whole[name], rtol=1e-12)
    for model in ("calls_long", "calls_short", "short_all"):
        wanted, chosen = levels(whole, sign_model=model), found.levels(model, "open_interest")
        assert chosen.net_gex == pytest.approx(float(wanted["net_gex"]), rel=1e-12)
        assert chosen.zero.nearest == pytest.approx(float(wanted["zero_gamma"]), rel=1e-12, nan_ok=True)
        assert chosen.call_wall == float(wanted["call_wall"])
    spanned, wanted = found.band("volume"), band(whole, basis="volume")
    assert spanned.net_gex == pytest.approx((float(wanted["net_gex_low"]), float(wanted["net_gex_high"])))
    np.testing.assert_allclose(spanned.curve_high, wanted["net_gex_curve_high"], rtol=1e-9)
    by_strike = found.by_strike("vanna_exposure", "calls_long", "open_interest")
    book = exposure(whole)
    np.testing.assert_allclose(by_strike.strikes, book["strike"])
    np.testing.assert_allclose(by_strike.put, book["put_vanna_exposure"].sum("expiry"), rtol=1e-9)
    np.testing.assert_allclose(found.book("calls_long", "open_interest")["gex"], book["gex"], rtol=1e-12)
    moves = {"spot_moves": (-0.05, 0.05), "vol_moves": (0.0, 0.05)}
    shown = found.forced_flow("short_all", "open_interest", **moves)
    wanted = forced_flow(whole, days=[0.0], sign_model="short_all", **moves)
    np.testing.assert_allclose(shown["forced_flow"], wanted["forced_flow"], rtol=1e-9)


def test_a_part_of_the_expiries_is_a_chain_of_its_own() -> None:
    followed = Followed()
    followed.tick(1)
    near = EXPIRIES["261225"]
    some = followed.chain().of([near])
    assert some.expiries == [near]
    assert some.dataset["expiry_ns"].to_numpy().tolist() == [near]
    both, alone = (each.levels("calls_long", "open_interest").net_gex for each in (followed.chain(), some))
    rest = followed.chain().of([EXPIRIES["270326"]]).levels("calls_long", "open_interest").net_gex
    assert alone + rest == pytest.approx(both)
    assert followed.chain().of([1]) is followed.chain()


def test_the_flow_is_that_of_each_contract_when_the_chain_was_priced() -> None:
    followed = Followed()
    name = "BTC/USD:BTC-261225-100000-C"
    prints = {"event_ns": [START], "instrument": [name], "price": [0.05], "size": [3.0], "side": [1]}
    followed.board.add("trades", TRADES.conform(pd.DataFrame(prints)))
    followed.tick(1)
    found = followed.chain()
    assert found.sign_models[-1] == "flow"
    signed = xr_zeros(found)
    signed.loc[{"strike": 1e5, "right": "C"}] = [3.0, 0.0]
    wanted = exposure(found.dataset, sign_model="flow", flow=signed)
    assert found.levels("flow", "open_interest").net_gex == pytest.approx(float(wanted["gex"].sum()))
    assert found.ledger("flow", "open_interest")["prints_counted"] == 1
    quiet = Followed()
    quiet.tick(1)
    assert "flow" not in quiet.chain().sign_models
    with pytest.raises(ValueError, match="needs flow"):
        quiet.chain().levels("flow", "open_interest")


def xr_zeros(found: PricedChain) -> Any:
    return 0.0 * found.dataset["gamma"].fillna(0.0)


def test_what_readers_asked_before_is_ready_when_the_next_chain_is_published(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    followed = Followed()
    followed.tick(1)
    followed.chain().band("open_interest")
    followed.chain().of([EXPIRIES["261225"]]).levels("short_all", "open_interest")
    followed.tick(2)
    monkeypatch.setattr(module, "key_levels", lambda *_, **__: pytest.fail("computed again by a reader"))
    followed.chain().band("open_interest")
    followed.chain().of([EXPIRIES["261225"]]).levels("short_all", "open_interest")


def test_what_nobody_asked_is_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    followed = Followed()
    followed.tick(1)
    followed.chain().band("open_interest")
    followed.tick(2)
    monkeypatch.setattr(module, "key_levels", lambda *_, **__: pytest.fail("nobody looked since"))
    followed.tick(3)


def test_before_the_first_chain_is_published_it_is_priced_from_the_marks_once_a_second() -> None:
    board = Board()
    assert board.priced_chain("BTC") is None
    board.add("marks", marks(START))
    found = board.priced_chain("BTC")
    assert found is not None
    assert board.priced_chain("ETH") is None
    assert board.priced_chain("") is None
    board.add("marks", marks(START + SECOND // 2, vol=0.6))
    assert board.priced_chain("BTC") is found
    board.add("marks", marks(START + SECOND, vol=0.6))
    again = board.priced_chain("BTC")
    assert again is not None
    assert float(again.dataset["mark_iv"].max()) == 0.6


def test_a_board_without_an_exposure_engine_to_follow_is_refused() -> None:
    with pytest.raises(ValueError, match="no ExposureBook"):
        Board().follow_chains([Levels()])
